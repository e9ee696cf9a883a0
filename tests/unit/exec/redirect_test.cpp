// SPDX-License-Identifier: Apache-2.0
//
// Which paths lead out of this node, and where to?
#include <fcntl.h>

#include "tests/unit/exec/exec_rig.hpp"
#include "transport/base/link_walk.hpp"

namespace qnet::exec {
namespace {

class RedirectTest : public ExecTest {
 protected:
  void link(std::string_view content, std::string_view name) {
    ASSERT_EQ(::symlink(std::string(content).c_str(), path(name).c_str()), 0);
  }
  /// "0 /c/x": which path, and where it leads; or "errno N".
  static std::string where(Reply reply) {
    if (reply.error >= 0) return "errno " + std::to_string(reply.error);
    const auto redirect = wire::decode<wire::RedirectReply>(reply.body.view());
    if (!redirect || redirect->is_local != 0) return "undecodable";
    return std::to_string(redirect->which) + " " + std::string(redirect->path);
  }
  std::string open_at(std::string_view name, int flags = O_RDONLY, On on = {}) {
    const wire::OpenRequest request{.flags = static_cast<std::uint32_t>(flags), .path = name};
    return where(me_.start(wire::Opcode::kOpen, request, on).get());
  }
  std::string stat_at(std::string_view name, std::uint32_t flags = 0, On on = {}) {
    const wire::GetAttributesRequest request{.flags = flags, .path = name};
    return where(me_.start(wire::Opcode::kGetAttributes, request, on).get());
  }
  static std::string error(int number) { return "errno " + std::to_string(number); }
};

TEST_F(RedirectTest, ASymlinkIntoThePrefixRestartsThere) {
  link("/net/c/dev/mqueue", "mq");
  link("mq/x", "relative");
  link("../../../../../net/b", "up");
  link("/net", "all");
  EXPECT_EQ(open_at(path("mq")), "0 /c/dev/mqueue");
  EXPECT_EQ(open_at(path("mq/q1")), "0 /c/dev/mqueue/q1");
  EXPECT_EQ(open_at(path("mq/../y"), O_RDONLY), "0 /c/dev/mqueue/../y");
  EXPECT_EQ(open_at(path("relative")), "0 /c/dev/mqueue/x");
  EXPECT_EQ(stat_at(path("up/etc/")), "0 /b/etc/");
  EXPECT_EQ(stat_at(path("all")), "0 /");
  EXPECT_EQ(open_at(path("mq/new"), O_CREAT | O_EXCL | O_WRONLY), "0 /c/dev/mqueue/new");
}

TEST_F(RedirectTest, WhatIsAboutTheLinkItselfStaysHere) {
  link("/net/c/x", "link");
  EXPECT_EQ(stat_at(path("link"), AT_SYMLINK_NOFOLLOW), error(0));
  EXPECT_EQ(stat_at(path("link/"), AT_SYMLINK_NOFOLLOW), "0 /c/x/");
  EXPECT_EQ(open_at(path("link"), O_NOFOLLOW), error(ELOOP));
  EXPECT_EQ(open_at(path("link"), O_CREAT | O_EXCL), error(EEXIST));
  EXPECT_EQ(std::string(me_.ask<op::ReadLink>({.path = path("link")})->content), "/net/c/x");
  EXPECT_EQ(me_.ask<op::Rename>({.source = path("link"), .target = path("moved")}).error, 0);
  EXPECT_EQ(me_.ask<op::Unlink>({.path = path("moved")}).error, 0);
}

TEST_F(RedirectTest, GenuineMissesStayMisses) {
  link("nowhere", "broken");
  link("loop", "loop");
  EXPECT_EQ(open_at(path("nothing")), error(ENOENT));
  EXPECT_EQ(open_at(path("broken")), error(ENOENT));
  EXPECT_EQ(open_at(path("broken/x")), error(ENOENT));
  EXPECT_EQ(open_at(path("loop")), error(ELOOP));
  EXPECT_EQ(open_at(make_file("f", "") + "/x"), error(ENOTDIR));
  EXPECT_EQ(open_at("/network/x"), error(ENOENT));
}

TEST_F(RedirectTest, ThePrefixOnThisNodeIsTheCallersNetwork) {
  EXPECT_EQ(open_at("/net"), "0 /");
  EXPECT_EQ(open_at("/net/c/x"), "0 /c/x");
  EXPECT_EQ(open_at("//net/./c~exclusive:en0//x/"), "0 /c~exclusive:en0//x/");
  const auto root = me_.must_open("/", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(open_at("net/c/x", O_RDONLY, {root}), "0 /c/x");
  const auto elsewhere = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(open_at("net/c/x", O_RDONLY, {elsewhere}), error(ENOENT));
}

TEST_F(RedirectTest, DotDotAboveTheRootIsTheCallersNetwork) {
  const auto root = me_.must_open("/", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(stat_at("/.."), "0 /");
  EXPECT_EQ(stat_at("/../c/x"), "0 /c/x");
  EXPECT_EQ(stat_at("/tmp/.././../../etc/passwd"), "0 /../etc/passwd");
  EXPECT_EQ(stat_at("..", 0, {root}), "0 /");
  EXPECT_EQ(stat_at("../c", 0, {root}), "0 /c");
  EXPECT_EQ(stat_at("/tmp/.."), error(0));
  EXPECT_EQ(stat_at("/tmp/../etc/.."), error(0));
  EXPECT_EQ(stat_at("/nothing/../.."), error(ENOENT));
  make_file("..x", "");
  EXPECT_EQ(stat_at(path("..x")), error(0));
}

TEST_F(RedirectTest, DotDotIsCountedThroughSymlinksNotText) {
  link("/", "root");
  link("/tmp", "tmp");
  ASSERT_EQ(::mkdir(path("deep").c_str(), 0777), 0);
  const auto folder = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(stat_at("root/../c", 0, {folder}), "0 /c");
  EXPECT_EQ(stat_at("tmp/../etc", 0, {folder}), error(0));
  EXPECT_EQ(stat_at("deep/../deep", 0, {folder}), error(0));
  EXPECT_EQ(stat_at("../..", 0, {folder}), error(0)) << "/tmp/x/../..: the root itself";
  EXPECT_EQ(stat_at("../../..", 0, {folder}), "0 /");
}

TEST_F(RedirectTest, TheSecondPathIsNamed) {
  make_file("f", "");
  link("/net/c/d", "away");
  const auto rename = [this](const std::string& source, const std::string& target) {
    return where(me_.start(wire::Opcode::kRename, wire::RenameRequest{.source = source, .target = target}).get());
  };
  EXPECT_EQ(rename(path("f"), path("away/f")), "1 /c/d/f");
  EXPECT_EQ(rename(path("away/f"), path("g")), "0 /c/d/f");
  EXPECT_EQ(rename(path("f"), "/net/c/f"), "1 /c/f");
  EXPECT_EQ(rename("/../c/f", path("g")), "0 /c/f");
  EXPECT_EQ(rename(path("f"), path("nothing/f")), error(ENOENT));
  const std::string source = path("f"), target = path("away/g");
  const wire::LinkRequest request{.source = source, .target = target};
  EXPECT_EQ(where(me_.start(wire::Opcode::kLink, request).get()), "1 /c/d/g");
}

TEST_F(RedirectTest, OperationsWithoutADirectoryArgumentWalkTheSameWay) {
  link("/net/c/d", "away");
  const auto folder = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  const auto ask = [&](wire::Opcode opcode, const auto& request) {
    return where(me_.start(opcode, request, {folder}).get());
  };
  EXPECT_EQ(ask(wire::Opcode::kTruncate, wire::TruncateRequest{.path = "away/f"}), "0 /c/d/f");
  EXPECT_EQ(ask(wire::Opcode::kGetFileSystem, wire::GetFileSystemRequest{.path = "away"}), "0 /c/d");
  EXPECT_EQ(ask(wire::Opcode::kResolvePath, wire::ResolvePathRequest{.path = "away"}), "0 /c/d");
  EXPECT_EQ(ask(wire::Opcode::kChangeMode, wire::ChangeModeRequest{.mode = 0, .path = "away"}), "0 /c/d");
  EXPECT_EQ(ask(wire::Opcode::kMakeDirectory, wire::MakeDirectoryRequest{.path = "away/x"}), "0 /c/d/x");
}

TEST_F(RedirectTest, TooLongIsToldAsSuch) {
  link("/net/c/" + std::string(200, 'x'), "away");
  const std::string rest = "away/" + std::string(3900, '/') + "y";
  EXPECT_EQ(open_at(path(rest)), error(ENOENT)) << "the new path would not fit";
}

std::string walk(const std::string& text, std::string_view prefix, bool follow_last = true) {
  LinkWalk result;
  return walk_into_prefix(AT_FDCWD, text, prefix, follow_last, result) ? std::string(result.path()) : "no";
}

TEST_F(RedirectTest, TheWalkerKnowsPrefixesOfSeveralParts) {
  ASSERT_EQ(::mkdir(path("mnt").c_str(), 0777), 0);
  const std::string prefix = path("mnt") + "/qnet";
  link(prefix + "/c", "link");
  link("mnt/qnet/d", "relative");
  EXPECT_EQ(walk(path("link/x"), prefix), "/c/x");
  EXPECT_EQ(walk(path("relative/x"), prefix), "/d/x");
  EXPECT_EQ(walk(path("mnt/../mnt/qnet"), prefix), "/");
  EXPECT_EQ(walk(path("mnt/other"), prefix), "no");
  EXPECT_EQ(walk(path("link"), prefix, /*follow_last=*/false), "no");
}

TEST_F(RedirectTest, TheWalkerFollowsFortyLinksAndNoMore) {
  link("/net/c", "0");
  for (int i = 1; i <= 45; ++i) link(std::to_string(i - 1), std::to_string(i));
  EXPECT_EQ(walk(path("30/x"), "/net"), "/c/x");
  EXPECT_EQ(walk(path("45/x"), "/net"), "no");
}

}  // namespace
}  // namespace qnet::exec
