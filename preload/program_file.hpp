// SPDX-License-Identifier: Apache-2.0
//
// program_file.hpp: what does the file of a program say: a script of which interpreter, or a program that this library
// can enter?
//
// Threads:  any; between fork and exec.
#pragma once

#include <array>
#include <cstddef>

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

enum class Reach {
  kInside,
  kOutside,  ///< static, setuid, of another architecture or with another libc's loader: makes its system calls itself
  kScript,
};

/// What execve(2) of the file would start; `script` is filled in for one. What is no program at all is kInside.
Reach look_into(int fd, Program& script);

}  // namespace qnet::preload
