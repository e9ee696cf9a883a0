// SPDX-License-Identifier: Apache-2.0
#include "preload/standard_streams.hpp"

#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "preload/entry.hpp"
#include "preload/fd_table.hpp"
#include "preload/remote_stream.hpp"

// libc's streams themselves; the variables are initialised with their addresses.
extern "C" struct _IO_FILE _IO_2_1_stdin_, _IO_2_1_stdout_, _IO_2_1_stderr_;

namespace qnet::preload {
namespace {

constexpr int kLineBuffered = 0x200, kUnbuffered = 0x2;  // FILE::_flags, part of libc's ABI

FILE** variable_of(int fd) {
  return fd == 0 ? &stdin : fd == 1 ? &stdout : &stderr;
}

/// Buffered output that has not been written goes to the new file, as it would natively; so does what was read ahead.
void move_contents(FILE* from, FILE* to, RemoteStream& cookie) {
  if (ftrylockfile(from) != 0) return;  // Its owner is in the middle of something; it stays where it is.
  if (from->_IO_write_ptr > from->_IO_write_base) {
    fwrite(from->_IO_write_base, 1, static_cast<std::size_t>(from->_IO_write_ptr - from->_IO_write_base), to);
  } else if (from->_IO_read_end > from->_IO_read_ptr) {
    const auto count = static_cast<std::size_t>(from->_IO_read_end - from->_IO_read_ptr);
    cookie.leftover = static_cast<char*>(malloc(count));
    if (cookie.leftover != nullptr) {
      memcpy(cookie.leftover, from->_IO_read_ptr, count);
      cookie.leftover_bytes = count;
    }
  }
  __fpurge(from);
  funlockfile(from);
}

/// As libc would have chosen by now, or as the program has.
void copy_buffering(FILE* from, FILE* to) {
  if ((from->_flags & kUnbuffered) != 0) {
    setvbuf(to, nullptr, _IONBF, 0);
  } else if ((from->_flags & kLineBuffered) != 0) {
    setvbuf(to, nullptr, _IOLBF, 0);
  }
}

void replace(int fd, FILE** variable) {
  const KeepErrno keep;
  const std::optional<StreamMode> mode = parse_stream_mode(fd == 0 ? "r" : "w");
  FILE* const stream = make_remote_stream(fd, *mode);
  if (stream == nullptr) return;
  RemoteStream* const cookie = is_ours(stream);
  if (cookie == nullptr) return;  // Another libc; the old stream stays, as good as it is.
  FILE* const old = *variable;
  copy_buffering(old, stream);
  move_contents(old, stream, *cookie);
  *variable = stream;
}

}  // namespace

void standard_stream_changed(int fd) {
  if (fd < 0 || fd > 2 || !may_be_remote(fd)) return;
  FILE** const variable = variable_of(fd);
  // Already ours, or the program has put another stream there.
  if (*variable == nullptr || (*variable)->_fileno != fd || is_ours(*variable) != nullptr) return;
  RemoteFd found;
  if (find_remote(fd, found)) replace(fd, variable);
}

void adopt_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) standard_stream_changed(fd);
}

FILE** standard_variable(FILE* stream) {
  for (int fd = 0; fd <= 2; ++fd) {
    if (*variable_of(fd) == stream) return variable_of(fd);
  }
  return nullptr;
}

FILE* original_stream(int fd) {
  return fd == 0 ? &_IO_2_1_stdin_ : fd == 1 ? &_IO_2_1_stdout_ : &_IO_2_1_stderr_;
}

void forget_standard_stream(const RemoteStream* stream) {
  for (int fd = 0; fd <= 2; ++fd) {
    FILE** const variable = variable_of(fd);
    if (*variable != nullptr && is_ours(*variable) == stream) *variable = original_stream(fd);
  }
}

}  // namespace qnet::preload
