// SPDX-License-Identifier: Apache-2.0
//
// remote_program.hpp: how does a program that lies on another node run here?
//
// The kernel needs a file of its own: the program is copied into memory (memfd) and executed from there; the copy's
// name tells where it came from, so that /proc/self/exe can be shown as the remote path. A script is not copied: its
// interpreter is started with the script's name, and reads it through this library.
// Threads:  any; between fork and exec.
#pragma once

#include "preload/program_file.hpp"
#include "preload/route.hpp"

namespace qnet::preload {

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
