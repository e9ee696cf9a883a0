// SPDX-License-Identifier: Apache-2.0
//
// exec_calls.cpp: starting programs: local ones that inherit remote descriptors, and remote ones.
//
// Nothing is allocated: these run between fork and exec. The search along PATH and the shell for files without "#!" are
// as in libc, on top of our own execve(), so that a directory of PATH may be remote.
#include <alloca.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "preload/descriptor_path.hpp"
#include "preload/environment.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_program.hpp"

namespace qnet::preload {
namespace {

constexpr const char* kShell = "/bin/sh";
constexpr const char* kDefaultPath = "/bin:/usr/bin";  // As libc's.

std::size_t count_of(char* const* list) {
  std::size_t count = 0;
  while (list != nullptr && list[count] != nullptr) ++count;
  return count;
}

/// first, second (unless null), name, then what follows argv[0]. `list` has count_of(argv) + 4 pointers.
void prepend(char** list, const char* first, const char* second, const char* name, char* const* argv) {
  *list++ = const_cast<char*>(first);
  if (second != nullptr) *list++ = const_cast<char*>(second);
  *list++ = const_cast<char*>(name);
  for (std::size_t i = 1; i < count_of(argv); ++i) *list++ = argv[i];
  *list = nullptr;
}

/// Runs what fetch_program() found; returns only on failure, with errno set.
__attribute__((noinline)) int run_program(const RemoteProgram& program, const char* name, char* const* argv,
                                          char* const* envp) {
  if (program.interpreter == nullptr) {
    const long result = raw_syscall(SYS_execveat, program.fd, "", argv, envp, AT_EMPTY_PATH);
    raw_syscall(SYS_close, program.fd);
    return refuse(static_cast<int>(-result));
  }
  auto** const list = static_cast<char**>(alloca((count_of(argv) + 4) * sizeof(char*)));
  prepend(list, program.interpreter, program.argument, name, argv);
  return qnet_execve(program.interpreter, list, envp);
}

/// A program that cannot be named again by a path of its own gets its absolute one.
int exec_remote_descriptor(int fd, char* const* argv, char* const* envp) {
  char name[4096];
  if (qnet_realpath(DescriptorPath(fd).text(), name) == nullptr) return -1;
  return qnet_execve(name, argv, envp);
}

template <class Local>
int exec_anywhere(int dirfd, const char* path, LastLink last, char* const* argv, char* const* envp, Local&& local) {
  return with_environment(envp, [&](char* const* completed) {
    RemoteProgram program;
    const int result = by_path(
        dirfd, path, last, [&](int at, const char* local_path) { return local(at, local_path, completed); },
        [&](const Routed& routed, client::Exchange& exchange) { return fetch_program(routed, exchange, program); });
    // Fetched, and the large stack frame is gone.
    return result < 0 ? result : run_program(program, path, argv, completed);
  });
}

/// Fetches the program if `path` is remote. Returns 0 or the error number.
__attribute__((noinline)) int look_for_program(const char* path, RemoteProgram& program) {
  const int result = by_path(
      AT_FDCWD, path, LastLink::kFollow, [](int, const char*) { return 0; },
      [&](const Routed& routed, client::Exchange& exchange) { return fetch_program(routed, exchange, program); });
  return result < 0 ? errno : 0;
}

int spawn_program(const RemoteProgram& program, pid_t* child, const char* path,
                  const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes, char* const* argv,
                  char* const* envp) {
  if (program.interpreter != nullptr) {
    auto** const list = static_cast<char**>(alloca((count_of(argv) + 4) * sizeof(char*)));
    prepend(list, program.interpreter, program.argument, path, argv);
    return libc().posix_spawn(child, program.interpreter, actions, attributes, list, envp);
  }
  const DescriptorPath link(program.fd);
  const int result = libc().posix_spawn(child, link.text(), actions, attributes, argv, envp);
  raw_syscall(SYS_close, program.fd);
  return result;
}

/// One candidate of the search; ENOEXEC is given to the shell.
int exec_or_shell(const char* path, char* const* argv, char* const* envp) {
  qnet_execve(path, argv, envp);
  if (errno != ENOEXEC) return -1;
  auto** const list = static_cast<char**>(alloca((count_of(argv) + 4) * sizeof(char*)));
  prepend(list, kShell, nullptr, path, argv);
  return qnet_execve(kShell, list, envp);
}

/// Failures after which the next directory of PATH is tried.
bool may_go_on(int error) {
  switch (error) {
    case EACCES:
    case ENOENT:
    case ESTALE:
    case ENOTDIR:
    case ENODEV:
    case ETIMEDOUT:
    case ENONET:
    case EHOSTDOWN:
      return true;
    default:
      return false;
  }
}

/// The arguments of execl() and its like, counted and copied.
std::size_t count_arguments(va_list arguments) {
  std::size_t count = 1;
  while (va_arg(arguments, const char*) != nullptr) ++count;
  return count;
}
void copy_arguments(const char* first, va_list arguments, char** list) {
  *list = const_cast<char*>(first);
  while (*list != nullptr) *++list = va_arg(arguments, char*);
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_execve(const char* path, char* const* argv, char* const* envp) {
  return exec_anywhere(
      AT_FDCWD, path, LastLink::kFollow, argv, envp,
      [=](int, const char* local, char* const* completed) { return libc().execve(local, argv, completed); });
}

extern "C" int qnet_execveat(int dirfd, const char* path, char* const* argv, char* const* envp, int flags) {
  if ((flags & AT_EMPTY_PATH) != 0 && path != nullptr && *path == '\0' && is_remote(dirfd)) {
    return exec_remote_descriptor(dirfd, argv, envp);
  }
  const LastLink last = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? LastLink::kKeep : LastLink::kFollow;
  return exec_anywhere(dirfd, path, last, argv, envp, [=](int at, const char* local, char* const* completed) {
    return libc().execveat(at, local, argv, completed, flags);
  });
}

extern "C" int qnet_fexecve(int fd, char* const* argv, char* const* envp) {
  if (is_remote(fd)) return exec_remote_descriptor(fd, argv, envp);
  return with_environment(envp, [=](char* const* completed) { return libc().fexecve(fd, argv, completed); });
}

extern "C" int qnet_execv(const char* path, char* const* argv) {
  return qnet_execve(path, argv, ::environ);
}
extern "C" int qnet_execvp(const char* file, char* const* argv) {
  return qnet_execvpe(file, argv, ::environ);
}

extern "C" int qnet_execvpe(const char* file, char* const* argv, char* const* envp) {
  if (file == nullptr || *file == '\0') return refuse(ENOENT);
  if (std::strchr(file, '/') != nullptr) return exec_or_shell(file, argv, envp);
  const std::string_view name = file;
  const char* const value = ::getenv("PATH");
  std::string_view left = value != nullptr ? value : kDefaultPath;
  bool was_denied = false;
  for (bool is_last = false; !is_last;) {
    const std::size_t end = left.find(':');
    is_last = end == std::string_view::npos;
    const std::string_view directory = left.substr(0, end);
    left.remove_prefix(is_last ? left.size() : end + 1);
    char path[4096];
    if (directory.size() + name.size() + 2 > sizeof path) continue;
    char* at = path + directory.copy(path, directory.size());
    if (!directory.empty()) *at++ = '/';
    at[name.copy(at, name.size())] = '\0';
    exec_or_shell(path, argv, envp);
    if (errno == EACCES) was_denied = true;
    if (!may_go_on(errno)) return -1;
  }
  return was_denied ? refuse(EACCES) : -1;
}

extern "C" int qnet_execl(const char* path, const char* first, ...) {
  va_list arguments;
  va_start(arguments, first);
  const std::size_t count = first == nullptr ? 0 : count_arguments(arguments);
  va_end(arguments);
  auto** const list = static_cast<char**>(alloca((count + 1) * sizeof(char*)));
  va_start(arguments, first);
  copy_arguments(first, arguments, list);
  va_end(arguments);
  return qnet_execve(path, list, ::environ);
}

extern "C" int qnet_execlp(const char* file, const char* first, ...) {
  va_list arguments;
  va_start(arguments, first);
  const std::size_t count = first == nullptr ? 0 : count_arguments(arguments);
  va_end(arguments);
  auto** const list = static_cast<char**>(alloca((count + 1) * sizeof(char*)));
  va_start(arguments, first);
  copy_arguments(first, arguments, list);
  va_end(arguments);
  return qnet_execvpe(file, list, ::environ);
}

extern "C" int qnet_execle(const char* path, const char* first, ...) {
  va_list arguments;
  va_start(arguments, first);
  const std::size_t count = first == nullptr ? 0 : count_arguments(arguments);
  va_end(arguments);
  auto** const list = static_cast<char**>(alloca((count + 1) * sizeof(char*)));
  va_start(arguments, first);
  copy_arguments(first, arguments, list);
  // The environment follows the null that ends the arguments.
  char* const* const envp = va_arg(arguments, char* const*);
  va_end(arguments);
  return qnet_execve(path, list, envp);
}

extern "C" int qnet_posix_spawn(pid_t* child, const char* path, const posix_spawn_file_actions_t* actions,
                                const posix_spawnattr_t* attributes, char* const* argv, char* const* envp) {
  return with_environment(envp, [&](char* const* completed) {
    RemoteProgram program;
    const int error = is_plainly_local(AT_FDCWD, path) ? 0 : look_for_program(path, program);
    if (error != 0) return error;
    if (program.interpreter == nullptr && program.fd < 0) {
      return libc().posix_spawn(child, path, actions, attributes, argv, completed);
    }
    return spawn_program(program, child, path, actions, attributes, argv, completed);
  });
}

extern "C" int qnet_posix_spawnp(pid_t* child, const char* file, const posix_spawn_file_actions_t* actions,
                                 const posix_spawnattr_t* attributes, char* const* argv, char* const* envp) {
  if (file != nullptr && std::strchr(file, '/') != nullptr) {
    return qnet_posix_spawn(child, file, actions, attributes, argv, envp);
  }
  return with_environment(envp, [=](char* const* completed) {
    return libc().posix_spawnp(child, file, actions, attributes, argv, completed);
  });
}
