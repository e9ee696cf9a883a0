// SPDX-License-Identifier: Apache-2.0
//
// Are directories listed whole, and are names and attributes what the local calls would make of them?
#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <set>

#include "tests/unit/exec/exec_rig.hpp"

namespace qnet::exec {
namespace {

struct Entry {
  std::string name;
  std::uint64_t inode = 0;
  std::int64_t next = 0;
  std::uint8_t type = 0;
};

class DirExecTest : public ExecTest {
 protected:
  std::vector<Entry> batch(std::uint64_t handle, std::uint32_t length_bytes) {
    const Reply reply =
        me_.start(wire::Opcode::kReadDirectory, wire::ReadDirectoryRequest{length_bytes}, {handle}).get();
    EXPECT_EQ(reply.error, 0);
    EXPECT_LE(reply.body.size(), length_bytes);
    std::vector<Entry> entries;
    wire::Reader in(reply.body.view());
    while (!in.rest().empty() && !in.has_failed()) {
      wire::DirectoryEntry entry;
      wire::get_field(in, entry);
      if (entry.name.empty()) break;  // The end comes next.
      entries.push_back({std::string(entry.name), entry.inode, entry.next, entry.type});
    }
    EXPECT_FALSE(in.has_failed());
    return entries;
  }
  int error_of(wire::Opcode opcode, const auto& request, On on = {}) {
    return me_.start(opcode, request, on).get().error;
  }
};

TEST_F(DirExecTest, ListsEverythingOnceInBatches) {
  std::set<std::string> expected = {".", ".."};
  for (int i = 0; i < 300; ++i) {
    const std::string name = std::to_string(i) + std::string(static_cast<std::size_t>(i % 200), 'n');
    make_file(name, "");
    expected.insert(name);
  }
  const auto handle = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  for (const std::uint32_t length_bytes : {512U, 4096U, 1U << 20}) {
    std::set<std::string> found;
    for (;;) {
      const auto entries = batch(handle, length_bytes);
      if (entries.empty()) break;
      for (const Entry& entry : entries) EXPECT_TRUE(found.insert(entry.name).second) << entry.name;
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(me_.seek(handle, 0, SEEK_SET), 0) << "rewinddir";
  }
}

TEST_F(DirExecTest, EntriesComeWithTheirAttributesIfWanted) {
  for (int i = 0; i < 300; ++i) make_file(std::to_string(i), std::string(static_cast<std::size_t>(i), 'x'));
  make_file(std::string(255, 'n'), "");
  ASSERT_EQ(::symlink("/nowhere", path("link").c_str()), 0);
  const auto handle = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  for (const std::uint32_t length_bytes : {2048U, 1U << 15}) {
    std::size_t count = 0;
    for (;;) {
      const wire::ReadDirectoryRequest request{.length_bytes = length_bytes, .with_attributes = 1};
      const Reply reply = me_.start(wire::Opcode::kReadDirectory, request, {handle}).get();
      ASSERT_EQ(reply.error, 0);
      ASSERT_LE(reply.body.size(), length_bytes);
      if (reply.body.empty()) break;
      for (wire::Reader in(reply.body.view()); !in.rest().empty(); ++count) {
        wire::DirectoryEntry entry;
        wire::Attributes attributes;
        wire::get_field(in, entry);
        if (entry.name.empty()) break;
        wire::get_field(in, attributes);
        ASSERT_FALSE(in.has_failed());
        struct stat found;
        ASSERT_EQ(::lstat(path(std::string(entry.name)).c_str(), &found), 0) << entry.name;
        EXPECT_EQ(attributes.inode, found.st_ino) << entry.name;
        EXPECT_EQ(attributes.mode, found.st_mode) << entry.name;
        EXPECT_EQ(attributes.size_bytes, static_cast<std::uint64_t>(found.st_size)) << entry.name;
      }
    }
    EXPECT_EQ(count, 304U);
    EXPECT_EQ(me_.seek(handle, 0, SEEK_SET), 0);
  }
}

TEST_F(DirExecTest, ASmallDirectoryComesWithItsEnd) {
  make_file("f", "");
  const auto handle = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  const auto names = [&] {
    std::vector<std::string> found;
    const Reply reply =
        me_.start(wire::Opcode::kReadDirectory, wire::ReadDirectoryRequest{.length_bytes = 4096}, {handle}).get();
    for (wire::Reader in(reply.body.view()); !in.rest().empty() && !in.has_failed();) {
      wire::DirectoryEntry entry;
      wire::get_field(in, entry);
      found.emplace_back(entry.name);
    }
    return found;
  };
  const auto found = names();
  ASSERT_EQ(found.size(), 4U) << "., .., f and the end";
  EXPECT_EQ(found.back(), "");
  EXPECT_TRUE(names().empty()) << "at the end";
}

TEST_F(DirExecTest, SeeksToWhereAnEntryEnded) {
  for (int i = 0; i < 50; ++i) make_file("file" + std::to_string(i), "");
  const auto handle = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  const auto all = batch(handle, 1 << 20);
  ASSERT_EQ(all.size(), 52U);
  EXPECT_EQ(me_.seek(handle, all[9].next, SEEK_SET), all[9].next);
  const auto rest = batch(handle, 1 << 20);
  ASSERT_EQ(rest.size(), 42U);
  EXPECT_EQ(rest[0].name, all[10].name);
}

TEST_F(DirExecTest, EntriesCarryInodeTypeAndTheLongestName) {
  const std::string longest(255, 'x');
  make_file(longest, "");
  const auto entries = batch(me_.must_open(folder_, O_RDONLY | O_DIRECTORY), 512);
  for (const Entry& entry : entries) {
    if (entry.name != longest) continue;
    struct stat found;
    ASSERT_EQ(::stat(path(longest).c_str(), &found), 0);
    EXPECT_EQ(entry.inode, found.st_ino);
    EXPECT_EQ(entry.type, DT_REG);
  }
  EXPECT_EQ(
      error_of(wire::Opcode::kReadDirectory, wire::ReadDirectoryRequest{512}, {me_.must_open(path(longest), O_RDONLY)}),
      ENOTDIR);
}

TEST_F(DirExecTest, MakesMovesAndRemoves) {
  const auto folder = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  const On in_folder{folder, folder};
  EXPECT_EQ(error_of(wire::Opcode::kMakeDirectory, wire::MakeDirectoryRequest{.mode = 01777, .path = "d"}, in_folder),
            0);
  EXPECT_EQ(me_.ask<op::GetAttributes>({.path = path("d")})->mode, static_cast<std::uint32_t>(S_IFDIR | 01777));
  EXPECT_EQ(error_of(wire::Opcode::kMakeSymlink, wire::MakeSymlinkRequest{.content = "d", .path = "s"}, in_folder), 0);
  EXPECT_EQ(std::string(me_.ask<op::ReadLink>({.path = "s"}, in_folder)->content), "d");
  EXPECT_EQ(error_of(wire::Opcode::kMakeNode, wire::MakeNodeRequest{.mode = S_IFIFO | 0622, .path = "p"}, in_folder),
            0);
  EXPECT_EQ(me_.ask<op::GetAttributes>({.path = "p"}, in_folder)->mode, static_cast<std::uint32_t>(S_IFIFO | 0622));
  make_file("f", "x");
  EXPECT_EQ(error_of(wire::Opcode::kLink, wire::LinkRequest{.source = "f", .target = "d/g"}, in_folder), 0);
  EXPECT_EQ(me_.ask<op::GetAttributes>({.path = "d/g"}, in_folder)->link_count, 2U);
  const wire::RenameRequest no_replace{.flags = RENAME_NOREPLACE, .source = "f", .target = "d/g"};
  EXPECT_EQ(error_of(wire::Opcode::kRename, no_replace, in_folder), EEXIST);
  EXPECT_EQ(error_of(wire::Opcode::kRename, wire::RenameRequest{.source = "p", .target = "d/p"}, in_folder), 0);
  EXPECT_EQ(error_of(wire::Opcode::kUnlink, wire::UnlinkRequest{.flags = AT_REMOVEDIR, .path = "d"}, in_folder),
            ENOTEMPTY);
  EXPECT_EQ(error_of(wire::Opcode::kUnlink, wire::UnlinkRequest{.path = "d"}, in_folder), EISDIR);
  EXPECT_EQ(error_of(wire::Opcode::kUnlink, wire::UnlinkRequest{.path = "d/p"}, in_folder), 0);
}

TEST_F(DirExecTest, DevicesAreRootsToMake) {
  QNET_NEEDS_ROOT();
  Client user(executor_, 2, user_caller(1000));
  const std::string name = path("n");
  const wire::MakeNodeRequest request{.mode = S_IFCHR | 0666, .device_major = 1, .device_minor = 3, .path = name};
  EXPECT_EQ(user.start(wire::Opcode::kMakeNode, request).get().error, EPERM);
  const int error = error_of(wire::Opcode::kMakeNode, request);
  if (error == EPERM) GTEST_SKIP() << "root may not make devices here";
  EXPECT_EQ(error, 0);
  const auto found = me_.ask<op::GetAttributes>({.path = path("n")});
  EXPECT_EQ(found->special_major, 1U);
  EXPECT_EQ(found->special_minor, 3U);
}

TEST_F(DirExecTest, ATemporaryFileGetsItsNameThroughTheHandle) {
  const auto opened = me_.open(folder_, O_TMPFILE | O_RDWR, 0600);
  if (opened.error == EOPNOTSUPP) GTEST_SKIP() << "this file system has no O_TMPFILE";
  ASSERT_EQ(opened.error, 0);
  EXPECT_EQ(me_.write(opened->handle, "abc"), 3);
  const std::string named = path("named"), again = path("again");
  const wire::LinkRequest by_flag{.flags = AT_EMPTY_PATH, .source = "", .target = named};
  EXPECT_EQ(error_of(wire::Opcode::kLink, by_flag, {opened->handle}), 0);
  const wire::LinkRequest by_proc{.flags = AT_SYMLINK_FOLLOW, .source = "", .target = again};
  EXPECT_EQ(error_of(wire::Opcode::kLink, by_proc, {opened->handle}), 0);
  EXPECT_EQ(content_of("named"), "abc");
}

TEST_F(DirExecTest, AttributesAreThoseOfStat) {
  make_file("f", "12345", 0640);
  const timespec times[2] = {{.tv_sec = 1'000'000'001, .tv_nsec = 123'456'789}, {.tv_sec = -5, .tv_nsec = 999'999'999}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("f").c_str(), times, 0), 0);
  struct stat local;
  ASSERT_EQ(::stat(path("f").c_str(), &local), 0);
  const auto found = me_.ask<op::GetAttributes>({.path = path("f")});
  EXPECT_EQ(found->mode, local.st_mode);
  EXPECT_EQ(found->inode, local.st_ino);
  EXPECT_EQ(found->size_bytes, 5U);
  EXPECT_EQ(found->accessed.seconds, 1'000'000'001);
  EXPECT_EQ(found->accessed.nanoseconds, 123'456'789U);
  EXPECT_EQ(found->modified.seconds, -5);
  EXPECT_EQ(found->modified.nanoseconds, 999'999'999U);
  EXPECT_EQ(found->device_minor, minor(local.st_dev));
  const auto handle = me_.must_open(path("f"), O_PATH);
  EXPECT_EQ(me_.ask<op::GetAttributes>({.path = ""}, {handle})->inode, local.st_ino);
}

TEST_F(DirExecTest, ChangesThroughAHandleAreThoseOfTheFCalls) {
  const auto file = me_.must_open(make_file("f", "12345"), O_RDWR);
  const auto only_path = me_.must_open(path("f"), O_PATH);
  EXPECT_EQ(error_of(wire::Opcode::kChangeMode, wire::ChangeModeRequest{.mode = 0600, .path = ""}, {file}), 0);
  EXPECT_EQ(error_of(wire::Opcode::kChangeMode, wire::ChangeModeRequest{.mode = 0600, .path = ""}, {only_path}), EBADF);
  const wire::ChangeModeRequest by_empty_path{.mode = 0611, .flags = AT_EMPTY_PATH, .path = ""};
  EXPECT_EQ(error_of(wire::Opcode::kChangeMode, by_empty_path, {only_path}), 0);
  EXPECT_EQ(me_.ask<op::GetAttributes>({.path = path("f")})->mode & 07777, 0611U);
  EXPECT_EQ(error_of(wire::Opcode::kTruncate, wire::TruncateRequest{.length_bytes = 2, .path = ""}, {file}), 0);
  EXPECT_EQ(error_of(wire::Opcode::kTruncate, wire::TruncateRequest{.length_bytes = 2, .path = ""}, {only_path}),
            EBADF);
  const wire::ChangeTimesRequest times{.accessed = {7, 0}, .modified = {8, 0}, .path = ""};
  EXPECT_EQ(error_of(wire::Opcode::kChangeTimes, times, {file}), 0);
  EXPECT_EQ(me_.ask<op::GetAttributes>({.path = ""}, {file})->modified.seconds, 8);
  const wire::ChangeOwnerRequest owner{.user = UINT32_MAX, .group = UINT32_MAX, .path = ""};
  EXPECT_EQ(error_of(wire::Opcode::kChangeOwner, owner, {file}), 0);
  EXPECT_EQ(error_of(wire::Opcode::kChangeOwner, owner, {only_path}), EBADF);
  EXPECT_EQ(content_of("f"), "12");
}

TEST_F(DirExecTest, ResolvesToTheNodesOwnPath) {
  ASSERT_EQ(::mkdir(path("d").c_str(), 0755), 0);
  ASSERT_EQ(::symlink("d", path("s").c_str()), 0);
  make_file("f", "");
  const auto resolve = [this](std::string_view name, std::uint32_t flags = 0, On on = {}) {
    const auto answer = me_.ask<op::ResolvePath>({.flags = flags, .path = name}, on);
    return answer.error != 0 ? "errno " + std::to_string(answer.error) : std::string(answer->path);
  };
  EXPECT_EQ(resolve("/"), "/");
  EXPECT_EQ(resolve(""), "/");
  EXPECT_EQ(resolve(path("s/../s/.")), path("d"));
  EXPECT_EQ(resolve(path("f"), wire::kResolveDirectory), "errno " + std::to_string(ENOTDIR));
  const auto handle = me_.must_open(path("d"), O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(resolve("", wire::kResolveDirectory | wire::kResolveSearch, {handle}), path("d"));
  EXPECT_EQ(resolve("../f", 0, {handle}), path("f"));
  ASSERT_EQ(::rmdir(path("d").c_str()), 0);
  EXPECT_EQ(resolve("", 0, {handle}), path("d") + " (deleted)");
}

TEST_F(DirExecTest, SearchingIsAskedAsTheCaller) {
  QNET_NEEDS_ROOT();
  Client user(executor_, 2, user_caller(1000));
  ASSERT_EQ(::mkdir(path("closed").c_str(), 0744), 0);
  EXPECT_EQ(user.ask<op::ResolvePath>({.flags = wire::kResolveSearch, .path = path("closed")}).error, EACCES);
  EXPECT_EQ(user.ask<op::ResolvePath>({.path = path("closed")}).error, 0);
  EXPECT_EQ(me_.ask<op::ResolvePath>({.flags = wire::kResolveSearch, .path = path("closed")}).error, 0);
}

TEST_F(DirExecTest, FileSystemAndLimitsAreTheLocalOnes) {
  struct statfs local;
  ASSERT_EQ(::statfs(folder_.c_str(), &local), 0);
  const auto found = me_.ask<op::GetFileSystem>({.path = folder_});
  EXPECT_EQ(found->type, static_cast<std::uint64_t>(local.f_type));
  EXPECT_EQ(found->name_bytes_max, static_cast<std::uint64_t>(local.f_namelen));
  const auto folder = me_.must_open(folder_, O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(me_.ask<op::GetFileSystem>({.path = ""}, {folder})->blocks, local.f_blocks);
  EXPECT_EQ(me_.ask<op::GetFileSystem>({.path = "."}, {folder})->blocks, local.f_blocks);
  EXPECT_EQ(me_.ask<op::GetPathLimit>({.name = _PC_NAME_MAX, .path = folder_})->value,
            ::pathconf(folder_.c_str(), _PC_NAME_MAX));
  EXPECT_EQ(me_.ask<op::GetPathLimit>({.name = _PC_NAME_MAX, .path = ""}, {folder})->value, 255);
  const auto none = me_.ask<op::GetPathLimit>({.name = _PC_SYMLINK_MAX, .path = folder_});
  EXPECT_EQ(none.error, 0);
  EXPECT_EQ(none->value, ::pathconf(folder_.c_str(), _PC_SYMLINK_MAX));
  EXPECT_EQ(me_.ask<op::GetPathLimit>({.name = 9999, .path = folder_}).error, EINVAL);
}

}  // namespace
}  // namespace qnet::exec
