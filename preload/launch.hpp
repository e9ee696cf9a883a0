// SPDX-License-Identifier: Apache-2.0
//
// launch.hpp: from the name of a program to what the kernel can start: along scripts to the interpreter.
//
// What exec and posix_spawn have in common. A local program is left to the kernel, its scripts included; a remote
// script, or a local one whose interpreter is remote, is replaced by its interpreter, as the kernel does it:
// `interpreter argument name-of-the-script …`. Nothing is allocated. Threads:  any; between fork and exec.
#pragma once

#include <alloca.h>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_program.hpp"

namespace qnet::preload {

/// As the kernel's.
inline constexpr int kInterpretersMax = 5;

std::size_t count_of(char* const* list);

/// The arguments of a program with room before them for those of its interpreters.
class ArgumentList {
 public:
  static constexpr std::size_t kRoom = 2 * kInterpretersMax + 1;

  /// `memory`: count_of(argv) + kRoom + 1 pointers.
  ArgumentList(char** memory, char* const* argv);
  /// The script `name` is replaced by its interpreter.
  void put_interpreter(const Program& script, const char* name);
  char* const* get() const { return first_; }

 private:
  char** first_;
};

/// How the kernel names a script that was started relative to a directory, or ("") by its descriptor. `text` needs
/// kScriptNameBytes.
inline constexpr std::size_t kScriptNameBytes = 4096 + 32;
void name_script(int dirfd, const char* path, char* text);
/// Such a name is of no use to the interpreter if the descriptor closes.
bool closes_on_exec(int fd);

/// One step: 0 with `program` found (go on there), 0 without (done), -1 and errno. start.local(dirfd, path, argv) is 0,
/// or -1 and errno.
template <class Start>
int look_for_program(int dirfd, const char* path, LastLink last, char* const* argv, Start& start, Program& program) {
  const auto local = [&](int at, const char* local_path) {
    const int result = start.local(at, local_path, argv);
    if (result == 0) return result;
    return may_be_symlink(errno) && has_remote_interpreter(at, local_path, program) ? 0 : result;
  };
  return by_path(dirfd, path, last, local, [&](const Routed& routed, client::Exchange& exchange) {
    return fetch_program(routed, exchange, program);
  });
}

/// After the first step found a script or a copy. start.copy(fd, argv) is 0, or -1 and errno; `fd` stays ours.
template <class Start>
__attribute__((noinline)) int launch_found(const char* name, char* const* argv, Start& start, Program& program) {
  auto** const memory = static_cast<char**>(alloca((count_of(argv) + ArgumentList::kRoom + 1) * sizeof(char*)));
  ArgumentList list(memory, argv);
  std::array<Program, kInterpretersMax> scripts;
  for (Program& script : scripts) {
    if (!program.is_script()) break;
    script = program;
    list.put_interpreter(script, name);
    name = script.interpreter();
    program = Program();
    if (look_for_program(AT_FDCWD, name, LastLink::kFollow, list.get(), start, program) != 0) return -1;
    if (!program.is_found()) return 0;
  }
  if (program.is_script()) return refuse(ELOOP);
  const int result = start.copy(program.fd, list.get());
  const KeepErrno keep;
  raw_syscall(SYS_close, program.fd);
  return result;
}

/// Starts what `path` names; a script is told that its name is `name`. 0, or -1 and errno.
template <class Start>
int launch_as(const char* name, const char* path, char* const* argv, Start&& start) {
  Program program;
  if (look_for_program(AT_FDCWD, path, LastLink::kFollow, argv, start, program) != 0) return -1;
  return program.is_found() ? launch_found(name, argv, start, program) : 0;
}

/// Starts what `path` names. 0, or -1 and errno.
template <class Start>
int launch(int dirfd, const char* path, LastLink last, char* const* argv, Start&& start) {
  Program program;
  if (look_for_program(dirfd, path, last, argv, start, program) != 0) return -1;
  if (!program.is_found()) return 0;
  if (dirfd == AT_FDCWD || path[0] == '/' || !program.is_script()) return launch_found(path, argv, start, program);
  if (closes_on_exec(dirfd)) return refuse(ENOENT);
  char text[kScriptNameBytes];
  name_script(dirfd, path, text);
  return launch_found(text, argv, start, program);
}

/// The same for a remote descriptor.
template <class Start>
int launch_descriptor(int fd, char* const* argv, Start&& start) {
  char text[kScriptNameBytes];
  name_script(fd, "", text);
  Program program;
  if (look_for_program(AT_FDCWD, text, LastLink::kFollow, argv, start, program) != 0) return -1;
  if (program.is_script() && closes_on_exec(fd)) return refuse(ENOENT);
  return launch_found(text, argv, start, program);
}

}  // namespace qnet::preload
