// SPDX-License-Identifier: Apache-2.0
//
// Are extended attributes and the permissions of what is new those that the local calls would give?
#include <fcntl.h>
#include <sys/xattr.h>

#include "tests/unit/exec/exec_rig.hpp"

namespace qnet::exec {
namespace {

class XattrExecTest : public ExecTest {
 protected:
  XattrExecTest() : file_(make_file("file", "")) {}

  int set(std::string_view name, std::string_view value, On on = {}) {
    const std::string_view path = on.handle == 0 ? std::string_view(file_) : std::string_view();
    return me_.ask<op::SetXattr>({.path = path, .name = name, .value = {as_bytes(value)}}, on).error;
  }
  /// The value, or "errno N".
  std::string get(std::string_view name, std::uint32_t room_bytes = 100, On on = {}) {
    const std::string_view path = on.handle == 0 ? std::string_view(file_) : std::string_view();
    const auto answer = me_.ask<op::GetXattr>({.room_bytes = room_bytes, .path = path, .name = name}, on);
    if (answer.error != 0) return "errno " + std::to_string(answer.error);
    if (room_bytes == 0) return std::to_string(answer->size_bytes) + " bytes";
    EXPECT_EQ(answer->size_bytes, answer->value.bytes.size());
    return std::string(as_text(answer->value.bytes));
  }

  const std::string file_;
};

std::string error_text(int error) {
  return "errno " + std::to_string(error);
}

TEST_F(XattrExecTest, ValuesComeBackByNameAndByHandle) {
  const On reader{me_.must_open(file_, O_RDONLY)};
  ASSERT_EQ(set("user.a", "value"), 0);
  EXPECT_EQ(get("user.a"), "value");
  EXPECT_EQ(get("user.a", 100, reader), "value");
  EXPECT_EQ(get("user.a", 0), "5 bytes");
  EXPECT_EQ(get("user.a", 4), error_text(ERANGE));
  EXPECT_EQ(get("user.none"), error_text(ENODATA));
  EXPECT_EQ(set("user.b", "", reader), 0);
  const auto list = me_.ask<op::ListXattr>({.room_bytes = 100, .path = file_});
  EXPECT_EQ(list->size_bytes, 14);
  EXPECT_EQ(me_.ask<op::RemoveXattr>({.path = file_, .name = "user.a"}).error, 0);
  EXPECT_EQ(me_.ask<op::RemoveXattr>({.path = file_, .name = "user.a"}).error, ENODATA);
  EXPECT_EQ(me_.ask<op::ListXattr>({.room_bytes = 0, .path = file_})->size_bytes, 7);
}

TEST_F(XattrExecTest, ALongValueAndAPathRelativeToAHandle) {
  const std::string value(wire::kXattrValueBytesMax, 'x');
  const On folder{me_.must_open(folder_, O_PATH | O_DIRECTORY)};
  const wire::SetXattrRequest request{.path = "file", .name = "user.long", .value = {as_bytes(value)}};
  const int error = me_.ask<op::SetXattr>(request, folder).error;
  if (error == ENOSPC || error == E2BIG) GTEST_SKIP() << "this file system keeps short values only";
  ASSERT_EQ(error, 0);
  EXPECT_EQ(get("user.long", wire::kXattrValueBytesMax), value);
}

TEST_F(XattrExecTest, ErrorsAreTheKernels) {
  ::symlink("file", path("link").c_str());
  EXPECT_EQ(get("user." + std::string(250, 'n')), error_text(ENODATA));
  EXPECT_EQ(get("nothing.a"), error_text(EOPNOTSUPP));
  const std::string missing = path("none"), below = file_ + "/x";
  EXPECT_EQ(me_.ask<op::GetXattr>({.path = missing, .name = "user.a"}).error, ENOENT);
  EXPECT_EQ(me_.ask<op::GetXattr>({.path = below, .name = "user.a"}).error, ENOTDIR);
  EXPECT_EQ(me_.ask<op::SetXattr>({.mode = XATTR_REPLACE, .path = file_, .name = "user.a", .value = {}}).error,
            ENODATA);
  const std::string link = path("link");
  EXPECT_EQ(me_.ask<op::SetXattr>({.flags = AT_SYMLINK_NOFOLLOW, .path = link, .name = "user.a", .value = {}}).error,
            EPERM);
  const On handle{me_.must_open(file_, O_PATH)};
  EXPECT_EQ(get("user.a", 100, handle), error_text(EBADF));
}

TEST_F(XattrExecTest, AStrangerMayNotChangeThem) {
  QNET_NEEDS_ROOT();
  ::chmod(file_.c_str(), 0644);
  Client stranger(executor_, 2, user_caller(1000));
  EXPECT_EQ(stranger.ask<op::SetXattr>({.path = file_, .name = "user.a", .value = {}}).error, EACCES);
  EXPECT_EQ(stranger.ask<op::SetXattr>({.path = file_, .name = "trusted.a", .value = {}}).error, EPERM);
}

/// u::rwx,u:1000:rwx,g::r-x,m::rwx,o::--- as the kernel keeps it.
constexpr std::string_view kDefaultAcl(
    "\2\0\0\0"
    "\1\0\7\0\xff\xff\xff\xff"
    "\2\0\7\0\xe8\3\0\0"
    "\4\0\5\0\xff\xff\xff\xff"
    "\20\0\7\0\xff\xff\xff\xff"
    "\40\0\0\0\xff\xff\xff\xff",
    44);

TEST_F(XattrExecTest, TheUmaskIsTakenAwayUnlessTheDirectoryHasADefaultAcl) {
  const auto mode_of_new = [this](const std::string& name) {
    me_.close(me_.must_open(name, O_CREAT | O_WRONLY, static_cast<mode_t>(wire::new_mode(0666, 022))));
    struct stat found = {};
    ::stat(name.c_str(), &found);
    return found.st_mode & 0777;
  };
  EXPECT_EQ(mode_of_new(path("plain")), 0644U);
  ::mkdir(path("dir").c_str(), 0755);
  ASSERT_EQ(::setxattr(path("dir").c_str(), "system.posix_acl_default", kDefaultAcl.data(), kDefaultAcl.size(), 0), 0);
  EXPECT_EQ(mode_of_new(path("dir/file")), 0660U);
  EXPECT_EQ(mode_of_new(path("plain2")), 0644U);
  const std::string made = path("made");
  ASSERT_EQ(me_.ask<op::MakeDirectory>({.mode = wire::new_mode(0777, 027), .path = made}).error, 0);
  struct stat found = {};
  ::stat(made.c_str(), &found);
  EXPECT_EQ(found.st_mode & 0777, 0750U);
}

}  // namespace
}  // namespace qnet::exec
