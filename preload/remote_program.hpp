// SPDX-License-Identifier: Apache-2.0
//
// remote_program.hpp: how does a program that lies on another node run here?
//
// The kernel needs a file of its own: the program is copied into memory (memfd) and executed from there. A script is
// not copied: its interpreter is started with the script's name, and reads it through this library.
#pragma once

#include <array>

#include "preload/route.hpp"

namespace qnet::preload {

struct RemoteProgram {
  int fd = -1;                               ///< an executable in memory, close-on-exec; the caller owns it
  std::array<char, 256> interpreter_line{};  ///< of a script, else empty: "/bin/sh\0-e" in one memory
  const char* interpreter = nullptr;         ///< null: not a script
  const char* argument = nullptr;            ///< null: none
};

/// Errors: what execve(2) would say (EACCES, ENOENT …).
Result<int> fetch_program(const Routed& routed, client::Exchange& exchange, RemoteProgram& program);

}  // namespace qnet::preload
