// SPDX-License-Identifier: Apache-2.0
//
// remote_stream.hpp: what is a FILE whose descriptor is remote?
//
// libc reads and writes descriptors behind our back, so such a stream is an fopencookie(3) stream whose functions are
// our read(), write(), lseek() and close() on its descriptor, and whose _fileno is the descriptor, so that fileno()
// tells it. The functions look at the descriptor each time: a stream that was once remote goes on working when dup2()
// or freopen() makes its descriptor local.
//
// Two things libc cannot do with cookie streams, it crashes: wide input and freopen(). They are ours
// (stream_calls_wide.cpp, stream_calls.cpp) and find out by is_ours() whose stream they have; that looks into libc's
// struct _IO_cookie_file, whose layout is checked when the first stream is made.
//
// Threads:  as stdio: the stream's lock (flockfile) protects the cookie.
#pragma once

#include <stdio.h>
#include <wchar.h>

#include <cstddef>

#include "preload/stream_mode.hpp"

namespace qnet::preload {

/// The cookie. Wide characters are converted here, because libc cannot on cookie streams.
struct RemoteStream {
  int fd = -1;
  bool was_used = false;         ///< bytes have gone in or out of the descriptor
  std::size_t window_bytes = 0;  ///< how much the next read into `buffer` asks for; grows while reading on
  char* buffer = nullptr;        ///< what setvbuf() was given, kBufferBytes long; null when there was no memory
  char* leftover = nullptr;      ///< what libc's stream had read ahead before this one took its place
  std::size_t leftover_at = 0, leftover_bytes = 0;
  int orientation = 0;  ///< fwide()
  mbstate_t input_state{}, output_state{};

  static constexpr std::size_t kBufferBytes = 64 << 10;
  /// First read after opening or seeking: a short file in one go, and not much wasted by random access.
  static constexpr std::size_t kFirstReadBytes = 8 << 10;
};

/// A new stream on `fd`, which it owns from now on; null and errno (ENOMEM) on failure, `fd` is then untouched.
FILE* make_remote_stream(int fd, const StreamMode& mode);
/// The cookie if it is a stream made above, else null. `stream` may be any stream.
RemoteStream* is_ours(FILE* stream);

/// Turns an open libc stream into one of ours at the same address, so that whoever holds the pointer goes on with it.
/// Pending output must be flushed. False if the stream is not one of libc's plain ones; it is then untouched.
bool convert_in_place(FILE* stream, int fd, const StreamMode& mode);
/// Forgets what is buffered and how, and gives a stream of ours another mode. Its descriptor has been replaced.
void restart_stream(FILE* stream, const StreamMode& mode);

}  // namespace qnet::preload
