// SPDX-License-Identifier: Apache-2.0
//
// remote_program.hpp: how does a program that lies on another node run here?
//
// The kernel needs a file of its own: the program is copied into memory (memfd) and executed from there; the copy's
// name tells where it came from, so that /proc/self/exe can be shown as the remote path. A script is not copied: its
// interpreter is started with the script's name, and reads it through this library.
// Threads:  any; between fork and exec.
#pragma once

#include <array>

#include "preload/route.hpp"

namespace qnet::preload {

struct Program {
  int fd = -1;                     ///< an executable in memory, close-on-exec; the caller owns it
  std::array<char, 256> line{};    ///< the first line of a script: "#!", interpreter, NUL, argument, NUL
  std::size_t interpreter_at = 0;  ///< 0: not a script
  std::size_t argument_at = 0;     ///< 0: none

  bool is_script() const { return interpreter_at != 0; }
  bool is_found() const { return fd >= 0 || is_script(); }
  const char* interpreter() const { return line.data() + interpreter_at; }
  const char* argument() const { return argument_at == 0 ? nullptr : line.data() + argument_at; }
};

/// Splits "#! /bin/sh -e", the first `size` bytes of a file in `line`, as the kernel does: the interpreter, and the
/// rest as one argument. False: not a script.
bool parse_script(Program& program, std::size_t size);

/// Errors: what execve(2) would say (EACCES, ENOENT …).
Result<int> fetch_program(const Routed& routed, client::Exchange& exchange, Program& program);

/// After the kernel refused to run a local file with errno: is it a script whose interpreter is remote? Keeps errno.
bool has_remote_interpreter(int dirfd, const char* path, Program& program);

/// What a copy is called in /proc: "/memfd:" + this + its path (unless that is too long) + " (deleted)".
inline constexpr std::string_view kProgramMark = "qnet-program:";
/// `link`, as /proc tells it, becomes the path of the program. False if it is no copy of ours or has no path.
bool take_program_mark(std::string_view& link);

/// At start: the kernel calls a process that runs from a copy by the copy's name; now by the program's.
void take_program_name();

}  // namespace qnet::preload
