// SPDX-License-Identifier: Apache-2.0
#include "transport/base/link_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

namespace qnet {
namespace {

int open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
  int count = 0;
  while (::readdir(folder.get()) != nullptr) ++count;
  return count;
}

class LinkWalkTest : public testing::Test {
 protected:
  LinkWalkTest() {
    char name[] = "/tmp/qnet-link-walk-XXXXXX";
    root_ = ::mkdtemp(name);
    std::filesystem::create_directories(root_ + "/dir/sub");
    link("/net/b/etc", "etc");
    link("etc", "chain");
    link("chain/x", "inside");
    link("/net", "root");
    link("/net/b/", "slash");
    link("dir", "local");
    link("missing", "dangling");
    link("loop", "loop");
    link("../etc", "dir/up");
    link("/network/b", "near");
    link("/./net//b/../c", "odd");
    link(root_ + "/dir/up", "absolute");
  }
  ~LinkWalkTest() override { std::filesystem::remove_all(root_); }

  void link(const std::string& content, const std::string& name) {
    ASSERT_EQ(::symlink(content.c_str(), (root_ + "/" + name).c_str()), 0);
  }

  /// Where the walk leads, or "no".
  std::string walk(const std::string& path, bool follow_last = true, int directory = AT_FDCWD,
                   std::string_view prefix = "/net") {
    const auto result = std::make_unique<LinkWalk>();
    const int before = open_descriptors();
    const bool leads_there = walk_into_prefix(directory, path, prefix, follow_last, *result);
    EXPECT_EQ(open_descriptors(), before) << path;
    return leads_there ? std::string(result->path()) : "no";
  }
  std::string in(const std::string& path) const { return root_ + "/" + path; }

  std::string root_;
};

TEST_F(LinkWalkTest, ALinkLeadsIntoThePrefixAndTheRestIsAppended) {
  EXPECT_EQ(walk(in("etc")), "/b/etc");
  EXPECT_EQ(walk(in("etc/passwd")), "/b/etc/passwd");
  EXPECT_EQ(walk(in("root")), "/");
  EXPECT_EQ(walk(in("root/c/tmp")), "/c/tmp");
}

TEST_F(LinkWalkTest, ChainsAndRelativeLinksAreFollowed) {
  EXPECT_EQ(walk(in("chain/y")), "/b/etc/y");
  EXPECT_EQ(walk(in("inside")), "/b/etc/x");
  EXPECT_EQ(walk(in("inside/y")), "/b/etc/x/y");
  EXPECT_EQ(walk(in("dir/up/y")), "/b/etc/y");
  EXPECT_EQ(walk(in("local/up/y")), "/b/etc/y");
  EXPECT_EQ(walk(in("absolute/y")), "/b/etc/y");
}

TEST_F(LinkWalkTest, WhatRemainsIsNotCollapsed) {
  EXPECT_EQ(walk(in("etc/../x//./y/")), "/b/etc/../x//./y/");
  EXPECT_EQ(walk(in("odd/x")), "/b/../c/x");
}

TEST_F(LinkWalkTest, DotDotBeforeTheLinkIsTheKernels) {
  EXPECT_EQ(walk(in("dir/sub/../../etc/x")), "/b/etc/x");
  EXPECT_EQ(walk(in("local/../etc/x")), "/b/etc/x");
}

TEST_F(LinkWalkTest, TheLastLinkIsFollowedOnlyWhereTheCallDoes) {
  EXPECT_EQ(walk(in("etc"), false), "no");
  EXPECT_EQ(walk(in("chain"), false), "no");
  EXPECT_EQ(walk(in("chain/x"), false), "/b/etc/x");
  EXPECT_EQ(walk(in("etc/"), false), "/b/etc/");
}

TEST_F(LinkWalkTest, AGenuineMissIsNo) {
  EXPECT_EQ(walk(in("nosuch")), "no");
  EXPECT_EQ(walk(in("nosuch/x/y")), "no");
  EXPECT_EQ(walk(in("dir/nosuch")), "no");
  EXPECT_EQ(walk(in("dangling")), "no");
  EXPECT_EQ(walk(in("local/nosuch")), "no");
  EXPECT_EQ(walk(in("near")), "no");
  EXPECT_EQ(walk(""), "no");
}

TEST_F(LinkWalkTest, LoopsAndOverlongPathsEnd) {
  EXPECT_EQ(walk(in("loop")), "no");
  EXPECT_EQ(walk(in("loop/x")), "no");
  EXPECT_EQ(walk(in("etc/" + std::string(4095, 'x'))), "no");
  std::string deep = "etc";
  while (deep.size() < 3900) deep += "/xxxxxxxxxxxxxxx";
  EXPECT_EQ(walk(in(deep)), "/b/" + deep);
}

TEST_F(LinkWalkTest, FortyLinksAreFollowedAndNotMore) {
  link("/net/b", "n0");
  for (int i = 1; i <= 41; ++i) link("n" + std::to_string(i - 1), "n" + std::to_string(i));
  EXPECT_EQ(walk(in("n30/x")), "/b/x");
  EXPECT_EQ(walk(in("n41/x")), "no");
}

TEST_F(LinkWalkTest, PathsMayBeRelativeToADescriptor) {
  const int directory = ::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT_EQ(walk("etc/x", true, directory), "/b/etc/x");
  EXPECT_EQ(walk("dir/up/x", true, directory), "/b/etc/x");
  EXPECT_EQ(walk("nosuch/x", true, directory), "no");
  ::close(directory);
}

TEST_F(LinkWalkTest, AnotherPrefixIsRespected) {
  link("/srv/nodes/b/x", "other");
  EXPECT_EQ(walk(in("other/y"), true, AT_FDCWD, "/srv/nodes"), "/b/x/y");
  EXPECT_EQ(walk(in("other/y")), "no");
  EXPECT_EQ(walk(in("etc/y"), true, AT_FDCWD, "/srv/nodes"), "no");
}

}  // namespace
}  // namespace qnet
