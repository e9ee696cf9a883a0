// SPDX-License-Identifier: Apache-2.0
//
// Is every error the one that the local system call gives?
#include <fcntl.h>
#include <stdio.h>
#include <sys/statfs.h>

#include "tests/unit/exec/exec_rig.hpp"

namespace qnet::exec {
namespace {

/// Names that go wrong in every way, in a folder that is laid out anew for each call.
class ErrnoTest : public ExecTest {
 protected:
  std::vector<std::string> lay_out() {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) std::filesystem::remove_all(entry);
    ::mkdir(path("dir").c_str(), 0755);
    ::mkdir(path("full").c_str(), 0755);
    make_file("full/x", "");
    make_file("file", "abc", 0644);
    make_file("executable", "", 0755);
    make_fifo("fifo");
    ::symlink("file", path("link").c_str());
    ::symlink("dir", path("dirlink").c_str());
    ::symlink("nothing", path("broken").c_str());
    ::symlink("loop", path("loop").c_str());
    std::vector<std::string> names = {"/", "/etc", "/proc/self/mem", "/proc/1/nothing", "/dev/null", "/proc/nothing"};
    for (const char* name :
         {"dir",    "dir/",    "dir/.",      "dir/..", "dir/x",  "dir/x/",  "full",     "full/",     "file",
          "file/",  "file/x",  "executable", "fifo",   "link",   "link/",   "dirlink",  "dirlink/",  "dirlink/x",
          "broken", "broken/", "broken/x",   "loop",   "loop/x", "nothing", "nothing/", "nothing/x", "."}) {
      names.push_back(path(name));
    }
    names.push_back(path(std::string(255, 'n')));
    names.push_back(path(std::string(256, 'n')));
    names.push_back(path("nothing/" + std::string(256, 'n')));
    names.push_back("/" + std::string(4094, 'n'));
    names.push_back("/" + std::string(4000, '/') + "etc");
    return names;
  }

  /// `local` returns -1 and errno; `request` makes the request of the same call.
  template <class Local, class MakeRequest>
  void compare(wire::Opcode opcode, const char* what, Local local, MakeRequest request) {
    // Owners and times are changed to what they are.
    const bool only_looks = opcode == wire::Opcode::kGetAttributes || opcode == wire::Opcode::kCheckAccess ||
                            opcode == wire::Opcode::kReadLink || opcode == wire::Opcode::kGetFileSystem ||
                            opcode == wire::Opcode::kGetPathLimit || opcode == wire::Opcode::kChangeOwner ||
                            opcode == wire::Opcode::kChangeTimes;
    for (const std::string& name : lay_out()) {
      errno = 0;
      const int local_error = local(name.c_str()) < 0 ? errno : 0;
      if (local_error == 0 && !only_looks) lay_out();
      const int error = me_.start(opcode, request(name)).get().error;
      if (error == 0 && !only_looks) lay_out();
      EXPECT_EQ(error, local_error) << what << " " << name.substr(0, 60) << ": " << ::strerror(local_error);
    }
  }
  void compare_open(int flags) {
    compare(
        wire::Opcode::kOpen, "open",
        [flags](const char* name) {
          const int fd = ::open(name, flags | O_CLOEXEC, 0644);
          if (fd >= 0) ::close(fd);
          return fd;
        },
        [flags](const std::string& name) {
          return wire::OpenRequest{.flags = static_cast<std::uint32_t>(flags), .mode = 0644, .path = name};
        });
  }

  /// The rest of the machine keeps its names and modes.
  bool is_ours(const std::string& name) const { return name.starts_with(folder_); }

  std::string source_, target_;  // Requests point into them.
};

TEST_F(ErrnoTest, Open) {
  for (const int flags :
       {O_RDONLY | O_NONBLOCK, O_WRONLY | O_NONBLOCK, O_RDWR | O_NONBLOCK | O_CREAT,
        O_WRONLY | O_NONBLOCK | O_CREAT | O_EXCL, O_RDONLY | O_DIRECTORY, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, O_PATH,
        O_PATH | O_NOFOLLOW, O_TMPFILE | O_RDWR, O_RDONLY | O_NONBLOCK | O_CREAT | O_DIRECTORY}) {
    SCOPED_TRACE(flags);
    compare_open(flags);
  }
}

TEST_F(ErrnoTest, Attributes) {
  for (const int flags : {0, AT_SYMLINK_NOFOLLOW, 0x4000'0000}) {
    const auto flag_bits = static_cast<std::uint32_t>(flags);
    compare(
        wire::Opcode::kGetAttributes, "stat",
        [flags](const char* name) {
          struct statx found;
          return ::statx(AT_FDCWD, name, flags, STATX_BASIC_STATS, &found);
        },
        [=](const std::string& name) { return wire::GetAttributesRequest{.flags = flag_bits, .path = name}; });
    compare(
        wire::Opcode::kChangeMode, "chmod",
        [&](const char* name) { return is_ours(name) ? ::fchmodat(AT_FDCWD, name, 0700, flags) : 0; },
        [&](const std::string& name) {
          target_ = path("dir");
          if (is_ours(name)) return wire::ChangeModeRequest{.mode = 0700, .flags = flag_bits, .path = name};
          return wire::ChangeModeRequest{.mode = 0700, .path = target_};
        });
    compare(
        wire::Opcode::kChangeOwner, "chown",
        [flags](const char* name) { return ::fchownat(AT_FDCWD, name, -1U, -1U, flags); },
        [=](const std::string& name) {
          return wire::ChangeOwnerRequest{.user = UINT32_MAX, .group = UINT32_MAX, .flags = flag_bits, .path = name};
        });
    compare(
        wire::Opcode::kChangeTimes, "utimens",
        [flags](const char* name) {
          const timespec omit[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
          return ::utimensat(AT_FDCWD, name, omit, flags);
        },
        [=](const std::string& name) {
          return wire::ChangeTimesRequest{
              .accessed = {0, UTIME_OMIT}, .modified = {0, UTIME_OMIT}, .flags = flag_bits, .path = name};
        });
  }
}

TEST_F(ErrnoTest, Access) {
  for (const int mode : {F_OK, R_OK, W_OK, X_OK, 99}) {
    compare(
        wire::Opcode::kCheckAccess, "access", [mode](const char* name) { return ::access(name, mode); },
        [mode](const std::string& name) {
          return wire::CheckAccessRequest{.mode = static_cast<std::uint32_t>(mode), .path = name};
        });
  }
}

TEST_F(ErrnoTest, NamesThatAreMade) {
  compare(
      wire::Opcode::kMakeDirectory, "mkdir", [](const char* name) { return ::mkdir(name, 0755); },
      [](const std::string& name) { return wire::MakeDirectoryRequest{.mode = 0755, .path = name}; });
  compare(
      wire::Opcode::kMakeNode, "mkfifo", [](const char* name) { return ::mkfifo(name, 0755); },
      [](const std::string& name) { return wire::MakeNodeRequest{.mode = S_IFIFO | 0755, .path = name}; });
  compare(
      wire::Opcode::kMakeSymlink, "symlink", [](const char* name) { return ::symlink("x", name); },
      [](const std::string& name) { return wire::MakeSymlinkRequest{.content = "x", .path = name}; });
  compare(
      wire::Opcode::kMakeSymlink, "symlink to nothing", [](const char* name) { return ::symlink("", name); },
      [](const std::string& name) { return wire::MakeSymlinkRequest{.content = "", .path = name}; });
  compare(
      wire::Opcode::kLink, "link from", [this](const char* name) { return ::link(name, path("new").c_str()); },
      [this](const std::string& name) {
        target_ = path("new");
        return wire::LinkRequest{.source = name, .target = target_};
      });
  compare(
      wire::Opcode::kLink, "link to", [this](const char* name) { return ::link(path("file").c_str(), name); },
      [this](const std::string& name) {
        target_ = path("file");
        return wire::LinkRequest{.source = target_, .target = name};
      });
}

TEST_F(ErrnoTest, NamesThatGo) {
  for (const int flags : {0, AT_REMOVEDIR}) {
    compare(
        wire::Opcode::kUnlink, "unlink",
        [&](const char* name) { return is_ours(name) ? ::unlinkat(AT_FDCWD, name, flags) : 0; },
        [&](const std::string& name) {
          target_ = path("file");
          if (is_ours(name)) return wire::UnlinkRequest{.flags = static_cast<std::uint32_t>(flags), .path = name};
          return wire::UnlinkRequest{.flags = 0, .path = target_};
        });
  }
  for (const unsigned flags :
       {0U, static_cast<unsigned>(RENAME_NOREPLACE), static_cast<unsigned>(RENAME_EXCHANGE), 99U}) {
    for (const char* other : {"file", "dir", "full", "new"}) {
      if (flags != 0 && std::string_view(other) != "file") continue;
      compare(
          wire::Opcode::kRename, "rename from",
          [&](const char* name) {
            return is_ours(name) ? ::renameat2(AT_FDCWD, name, AT_FDCWD, path(other).c_str(), flags) : 0;
          },
          [&](const std::string& name) {
            target_ = path(other);
            source_ = path("executable");
            if (is_ours(name)) return wire::RenameRequest{.flags = flags, .source = name, .target = target_};
            target_ = path("renamed");
            return wire::RenameRequest{.source = source_, .target = target_};
          });
      compare(
          wire::Opcode::kRename, "rename to",
          [&](const char* name) {
            return is_ours(name) ? ::renameat2(AT_FDCWD, path(other).c_str(), AT_FDCWD, name, flags) : 0;
          },
          [&](const std::string& name) {
            source_ = path(other);
            if (is_ours(name)) return wire::RenameRequest{.flags = flags, .source = source_, .target = name};
            source_ = path("executable");
            target_ = path("renamed");
            return wire::RenameRequest{.source = source_, .target = target_};
          });
    }
  }
}

TEST_F(ErrnoTest, WholeFiles) {
  compare(
      wire::Opcode::kReadLink, "readlink",
      [](const char* name) {
        char content[64];
        return static_cast<int>(::readlink(name, content, sizeof content));
      },
      [](const std::string& name) { return wire::ReadLinkRequest{.path = name}; });
  for (const std::int64_t length : {std::int64_t{0}, std::int64_t{-1}, INT64_MAX}) {
    compare(
        wire::Opcode::kTruncate, "truncate", [&](const char* name) { return ::truncate(name, length); },
        [&](const std::string& name) { return wire::TruncateRequest{.length_bytes = length, .path = name}; });
  }
  compare(
      wire::Opcode::kGetFileSystem, "statfs",
      [](const char* name) {
        struct statfs found;
        return ::statfs(name, &found);
      },
      [](const std::string& name) { return wire::GetFileSystemRequest{.path = name}; });
  compare(
      wire::Opcode::kGetPathLimit, "pathconf",
      [](const char* name) {
        errno = 0;
        return ::pathconf(name, _PC_NAME_MAX) < 0 && errno != 0 ? -1 : 0;
      },
      [](const std::string& name) { return wire::GetPathLimitRequest{.name = _PC_NAME_MAX, .path = name}; });
}

TEST_F(ErrnoTest, RelativeToAHandle) {
  lay_out();
  const auto dir = me_.must_open(path("dir"), O_PATH);
  const auto file = me_.must_open(path("file"), O_RDONLY);
  const auto error_at = [this](std::uint64_t handle, const std::string& name) {
    return me_.open(name, O_RDONLY, 0, {handle}).error;
  };
  EXPECT_EQ(error_at(dir, "../file"), 0);
  EXPECT_EQ(error_at(dir, "x"), ENOENT);
  EXPECT_EQ(error_at(file, "x"), ENOTDIR);
  EXPECT_EQ(error_at(file, ".."), ENOTDIR);
  EXPECT_EQ(error_at(dir, "../loop"), ELOOP);
  EXPECT_EQ(me_.ask<op::MakeDirectory>({.path = ""}, {dir}).error, ENOENT);
  EXPECT_EQ(me_.ask<op::Unlink>({.path = ""}, {dir}).error, ENOENT);
  EXPECT_EQ(me_.ask<op::Truncate>({.length_bytes = 0, .path = "../dir"}, {dir}).error, EISDIR);
  EXPECT_EQ(me_.ask<op::Truncate>({.length_bytes = 0, .path = "x"}, {file}).error, ENOTDIR);
  EXPECT_EQ(me_.ask<op::GetFileSystem>({.path = "x"}, {dir}).error, ENOENT);
  EXPECT_EQ(me_.ask<op::ReadLink>({.path = ""}, {file}).error, ENOENT);
  const auto link = me_.must_open(path("link"), O_PATH | O_NOFOLLOW);
  EXPECT_EQ(std::string(me_.ask<op::ReadLink>({.path = ""}, {link})->content), "file");
}

TEST_F(ErrnoTest, OpenThings) {
  lay_out();
  const auto reader = me_.must_open(path("file"), O_RDONLY);
  const auto writer = me_.must_open(path("file"), O_WRONLY);
  const auto dir = me_.must_open(path("dir"), O_RDONLY);
  const auto only_path = me_.must_open(path("file"), O_PATH);
  const auto read_error = [this](std::uint64_t handle) { return me_.start_read(handle, 1).get().error; };
  EXPECT_EQ(read_error(writer), EBADF);
  EXPECT_EQ(read_error(dir), EISDIR);
  EXPECT_EQ(read_error(only_path), EBADF);
  EXPECT_EQ(me_.write(reader, "x"), -EBADF);
  EXPECT_EQ(me_.write(dir, "x"), -EBADF);
  EXPECT_EQ(me_.seek(only_path, 0, SEEK_SET), -EBADF);
  EXPECT_EQ(me_.ask<op::Truncate>({.length_bytes = 0, .path = ""}, {reader}).error, EINVAL);
  EXPECT_EQ(me_.ask<op::Sync>({}, {only_path}).error, EBADF);
  EXPECT_EQ(me_.flock(only_path, 1), EBADF);
  EXPECT_EQ(me_.flock(reader, 0), EINVAL);
  EXPECT_EQ(me_.ask<op::GetFlags>({}, {only_path})->flags, static_cast<unsigned>(O_PATH));
}

}  // namespace
}  // namespace qnet::exec
