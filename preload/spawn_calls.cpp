// SPDX-License-Identifier: Apache-2.0
//
// spawn_calls.cpp: posix_spawn(3) and posix_spawnp(3).
//
// The child, its attributes and its file actions are libc's; what it is to run is found here, before, in the parent. A
// local program costs a look at its file.
#include <unistd.h>

#include "preload/descriptor_path.hpp"
#include "preload/environment.hpp"
#include "preload/kernel_descriptors.hpp"
#include "preload/launch.hpp"
#include "preload/path_search.hpp"
#include "preload/spawn_actions.hpp"
#include "preload/spawn_descriptors.hpp"

namespace qnet::preload {
namespace {

int to_errno(int error) {
  return error == 0 ? 0 : refuse(error);
}

/// Starts a child.
struct Spawn {
  pid_t* child;
  const posix_spawn_file_actions_t* actions;
  const posix_spawnattr_t* attributes;
  char* const* envp;

  int local(int /*dirfd: the working directory*/, const char* path, char* const* argv) const {
    if (!is_out_of_reach(AT_FDCWD, path, 0, envp)) [[likely]]
      return to_errno(libc().posix_spawn(child, path, actions, attributes, argv, envp));
    return with_descriptors(path, argv);
  }
  __attribute__((noinline)) int with_descriptors(const char* path, char* const* argv) const {
    const SpawnDescriptors inherited(actions);
    return to_errno(libc().posix_spawn(child, path, inherited.actions(), attributes, argv, envp));
  }
  /// By our own number of it: file actions may close or replace the child's.
  int copy(int fd, char* const* argv) const {
    char path[64];
    std::size_t size = 0;
    const Decimal process(raw_syscall(SYS_getpid)), number(fd);
    for (const std::string_view part :
         {std::string_view("/proc/"), std::string_view(process), std::string_view("/fd/"), std::string_view(number)}) {
      size += part.copy(path + size, sizeof path - 1 - size);
    }
    path[size] = '\0';
    return local(AT_FDCWD, path, argv);
  }
};

/// Nothing there, nor behind a symlink: the usual case in a search.
bool is_absent(const char* path) {
  if (!is_started() || path[0] != '/' || !is_plainly_local(AT_FDCWD, path)) return false;
  const long found = raw_syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
  return is_raw_error(found) && !deserves_second_look(AT_FDCWD, path, static_cast<int>(-found));
}

/// A name that is relative to the remote directory which the child will be in.
int spawn_from(int directory, const char* path, char* const* argv, const Spawn& spawn) {
  char whole[4096 + 256];
  const ssize_t got = qnet_readlink(DescriptorPath(directory).text(), whole, 4096);
  if (got < 0) return -1;
  const std::string_view name = path;
  std::size_t size = static_cast<std::size_t>(got);
  if (size + 1 + name.size() >= sizeof whole) return refuse(ENAMETOOLONG);
  whole[size++] = '/';
  whole[size + name.copy(whole + size, name.size())] = '\0';
  return launch_as(path, whole, argv, spawn);
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_posix_spawn(pid_t* child, const char* path, const posix_spawn_file_actions_t* actions,
                                const posix_spawnattr_t* attributes, char* const* argv, char* const* envp) {
  const KeepErrno keep;
  return with_environment(envp, [=](char* const* completed) {
    const Spawn spawn{child, actions, attributes, completed};
    int directory = -1;
    const SpawnDirectory place =
        path == nullptr || path[0] == '/' ? SpawnDirectory::kUnchanged : directory_of(actions, directory);
    int result = 0;
    if (place == SpawnDirectory::kUnchanged) result = launch(AT_FDCWD, path, LastLink::kFollow, argv, spawn);
    else if (place == SpawnDirectory::kLocal) result = spawn.local(AT_FDCWD, path, argv);
    else result = spawn_from(directory, path, argv, spawn);
    return result == 0 ? 0 : errno;
  });
}

extern "C" int qnet_posix_spawnp(pid_t* child, const char* file, const posix_spawn_file_actions_t* actions,
                                 const posix_spawnattr_t* attributes, char* const* argv, char* const* envp) {
  const KeepErrno keep;
  return search_path(file, [=](const char* path) {
    return is_absent(path) ? ENOENT : qnet_posix_spawn(child, path, actions, attributes, argv, envp);
  });
}
