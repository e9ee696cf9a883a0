// SPDX-License-Identifier: Apache-2.0
//
// spawn_actions_calls.cpp: what if a file action of posix_spawn(3) names a remote path?
//
// libc carries file actions out in a child that shares our memory, out of reach. So a remote open is done when the
// action is added, and the child gets a dup2 of it; a remote chdir becomes an fchdir. The descriptors are
// close-on-exec, have high numbers, and are closed with the actions. A remote path that cannot be opened is told by
// addopen() itself. Which directory the child will be in is kept, too, for the search of its program (spawn_calls.cpp).
// Threads:  any; different action objects at once.
#include <spawn.h>

#include <atomic>
#include <cstring>

#include "preload/descriptor_path.hpp"
#include "preload/entry.hpp"
#include "preload/fd_table.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/spawn_actions.hpp"
#include "preload/working_directory.hpp"

namespace qnet::preload {
namespace {

/// Descriptors that belong to action objects. More than this at one time: ENOMEM, as addopen() may say.
constexpr int kKeptMax = 256;
constexpr int kHighDescriptor = 500;

constexpr int kNothing = -1;
struct Kept {
  std::atomic<const void*> actions = nullptr;
  int fd = kNothing;
  SpawnDirectory directory = SpawnDirectory::kUnchanged;
};
constinit Kept kept_table[kKeptMax];

/// Ties a descriptor, a directory or both to `actions`. False if there is no room.
bool note_kept(const void* actions, int fd, SpawnDirectory directory) {
  if (directory != SpawnDirectory::kUnchanged) {
    // Only the last one counts.
    for (Kept& kept : kept_table) {
      if (kept.actions.load() == actions) kept.directory = SpawnDirectory::kUnchanged;
    }
  }
  for (Kept& kept : kept_table) {
    const void* nobody = nullptr;
    if (!kept.actions.compare_exchange_strong(nobody, actions)) continue;
    kept.fd = fd;
    kept.directory = directory;
    return true;
  }
  return false;
}

/// Moves `fd` out of the way and ties it to `actions`. Returns the new number, or -1 and errno.
int keep(const void* actions, int fd, SpawnDirectory directory = SpawnDirectory::kUnchanged) {
  if (fd < 0) return -1;
  long high = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, kHighDescriptor);
  if (is_raw_error(high)) high = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
  raw_syscall(SYS_close, fd);
  note_unknown(fd);
  if (is_raw_error(high)) return refuse(static_cast<int>(-high));
  note_unknown(static_cast<int>(high));
  if (note_kept(actions, static_cast<int>(high), directory)) return static_cast<int>(high);
  raw_syscall(SYS_close, high);
  return refuse(ENOMEM);
}

void close_kept(const void* actions) {
  for (Kept& kept : kept_table) {
    if (kept.actions.load() != actions) continue;
    if (kept.fd != kNothing) {
      raw_syscall(SYS_close, kept.fd);
      note_unknown(kept.fd);
    }
    kept.fd = kNothing;
    kept.directory = SpawnDirectory::kUnchanged;
    kept.actions.store(nullptr);
  }
}

/// An action that changes the directory to what `opened` is.
int add_directory(posix_spawn_file_actions_t* actions, int opened) {
  const KeepErrno keep_errno;
  const int kept = keep(actions, opened, SpawnDirectory::kRemote);
  return kept < 0 ? errno : libc().posix_spawn_file_actions_addfchdir_np(actions, kept);
}

/// What libc answered to a change to a local directory.
int note_local_directory(const posix_spawn_file_actions_t* actions, int result) {
  if (result == 0 && is_started()) note_kept(actions, kNothing, SpawnDirectory::kLocal);
  return result;
}

}  // namespace

SpawnDirectory directory_of(const posix_spawn_file_actions_t* actions, int& fd) {
  if (actions == nullptr) return SpawnDirectory::kUnchanged;
  for (const Kept& kept : kept_table) {
    if (kept.actions.load() != actions || kept.directory == SpawnDirectory::kUnchanged) continue;
    fd = kept.fd;
    return kept.directory;
  }
  return SpawnDirectory::kUnchanged;
}

}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_posix_spawn_file_actions_addopen(posix_spawn_file_actions_t* actions, int fd, const char* path,
                                                     int flags, mode_t mode) {
  if (!is_started() || path == nullptr || fd < 0 || !leads_away(path)) {
    return libc().posix_spawn_file_actions_addopen(actions, fd, path, flags, mode);
  }
  const KeepErrno keep_errno;
  const int opened = keep(actions, qnet_open(path, flags, mode));
  return opened < 0 ? errno : libc().posix_spawn_file_actions_adddup2(actions, opened, fd);
}

extern "C" int qnet_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t* actions, int fd, int wanted) {
  return libc().posix_spawn_file_actions_adddup2(actions, fd, wanted);
}

extern "C" int qnet_posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t* actions, const char* path) {
  if (!is_started() || path == nullptr || !leads_away(path)) {
    return note_local_directory(actions, libc().posix_spawn_file_actions_addchdir_np(actions, path));
  }
  return add_directory(actions, open_working_directory(path));
}

extern "C" int qnet_posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t* actions, int fd) {
  if (is_remote(fd)) return add_directory(actions, open_working_directory(DescriptorPath(fd).text()));
  return note_local_directory(actions, libc().posix_spawn_file_actions_addfchdir_np(actions, fd));
}

extern "C" int qnet_posix_spawn_file_actions_destroy(posix_spawn_file_actions_t* actions) {
  close_kept(actions);
  return libc().posix_spawn_file_actions_destroy(actions);
}

extern "C" int qnet_posix_spawn_file_actions_init(posix_spawn_file_actions_t* actions) {
  return libc().posix_spawn_file_actions_init(actions);
}

extern "C" int qnet_posix_spawn_file_actions_addclose(posix_spawn_file_actions_t* actions, int fd) {
  return libc().posix_spawn_file_actions_addclose(actions, fd);
}

extern "C" int qnet_posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t* actions, int first) {
  return libc().posix_spawn_file_actions_addclosefrom_np(actions, first);
}

extern "C" int qnet_posix_spawn_file_actions_addtcsetpgrp_np(posix_spawn_file_actions_t* actions, int fd) {
  return libc().posix_spawn_file_actions_addtcsetpgrp_np(actions, fd);
}
