// SPDX-License-Identifier: Apache-2.0
//
// exec_calls.cpp: the exec family: local programs that inherit remote descriptors, and remote ones.
//
// Nothing is allocated: these run between fork and exec. The search along PATH and the shell for files without "#!" are
// as in libc, on top of our own execve(), so that a directory of PATH may be remote.
#include <alloca.h>
#include <stdarg.h>
#include <unistd.h>

#include <cstring>

#include "preload/environment.hpp"
#include "preload/kernel_descriptors.hpp"
#include "preload/launch.hpp"
#include "preload/path_search.hpp"

namespace qnet::preload {
namespace {

constexpr const char* kShell = "/bin/sh";

/// Replaces this process; returns only on failure.
struct Exec {
  char* const* envp;

  int copy(int fd, char* const* argv) const {
    return exec_with_descriptors(fd, "", AT_EMPTY_PATH, envp, [=, this] {
      return refuse(static_cast<int>(-raw_syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH)));
    });
  }
};
struct ExecPath : Exec {
  int local(int /*dirfd: the working directory*/, const char* path, char* const* argv) const {
    return exec_with_descriptors(AT_FDCWD, path, 0, envp, [=, this] { return libc().execve(path, argv, envp); });
  }
};
struct ExecAt : Exec {
  int flags;
  int local(int dirfd, const char* path, char* const* argv) const {
    return exec_with_descriptors(dirfd, path, flags, envp,
                                 [=, this] { return libc().execveat(dirfd, path, argv, envp, flags); });
  }
};

/// One candidate of the search; ENOEXEC is given to the shell.
int exec_or_shell(const char* path, char* const* argv, char* const* envp) {
  qnet_execve(path, argv, envp);
  if (errno != ENOEXEC) return -1;
  auto** const list = static_cast<char**>(alloca((count_of(argv) + 3) * sizeof(char*)));
  list[0] = const_cast<char*>(kShell);
  list[1] = const_cast<char*>(path);
  std::size_t count = 1;
  while (count < count_of(argv)) {
    list[count + 1] = argv[count];
    ++count;
  }
  list[count + 1] = nullptr;
  return qnet_execve(kShell, list, envp);
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
  return with_environment(envp, [=](char* const* completed) {
    return launch(AT_FDCWD, path, LastLink::kFollow, argv, ExecPath{{completed}});
  });
}

extern "C" int qnet_execveat(int dirfd, const char* path, char* const* argv, char* const* envp, int flags) {
  return with_environment(envp, [=](char* const* completed) {
    const bool is_descriptor = (flags & AT_EMPTY_PATH) != 0 && path != nullptr && *path == '\0';
    if (is_descriptor && is_remote(dirfd)) return launch_descriptor(dirfd, argv, ExecPath{{completed}});
    const LastLink last = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? LastLink::kKeep : LastLink::kFollow;
    return launch(dirfd, path, last, argv, ExecAt{{completed}, flags});
  });
}

extern "C" int qnet_fexecve(int fd, char* const* argv, char* const* envp) {
  return with_environment(envp, [=](char* const* completed) {
    if (is_remote(fd)) return launch_descriptor(fd, argv, ExecPath{{completed}});
    return exec_with_descriptors(fd, "", AT_EMPTY_PATH, completed, [=] { return libc().fexecve(fd, argv, completed); });
  });
}

extern "C" int qnet_execv(const char* path, char* const* argv) {
  return qnet_execve(path, argv, ::environ);
}
extern "C" int qnet_execvp(const char* file, char* const* argv) {
  return qnet_execvpe(file, argv, ::environ);
}

extern "C" int qnet_execvpe(const char* file, char* const* argv, char* const* envp) {
  return refuse(search_path(file, [=](const char* path) {
    exec_or_shell(path, argv, envp);
    return errno;
  }));
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
