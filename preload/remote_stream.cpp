// SPDX-License-Identifier: Apache-2.0
#include "preload/remote_stream.hpp"

#include <fcntl.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomic>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/standard_streams.hpp"

namespace qnet::preload {
namespace {

// libc's flags of FILE::_flags, part of its ABI (programs compiled against old headers use them inline).
constexpr int kUnbuffered = 0x2;
constexpr int kNoReads = 0x4;
constexpr int kNoWrites = 0x8;
constexpr int kEndSeen = 0x10;
constexpr int kErrorSeen = 0x20;
constexpr int kInBackup = 0x100;
constexpr int kLineBuffered = 0x200;
constexpr int kPutting = 0x800;
constexpr int kAppending = 0x1000;
/// What opening decides, as against what libc's list of all streams needs.
constexpr int kOpeningFlags =
    kUnbuffered | kNoReads | kNoWrites | kEndSeen | kErrorSeen | kInBackup | kLineBuffered | kPutting | kAppending;

/// libc's `struct _IO_cookie_file`: FILE, virtual table, cookie, four functions.
struct CookieFile {
  FILE file;
  const void* functions;
  void* cookie;
  void* mangled[4];
};
/// What malloc() gave to fopen(): FILE, virtual table, lock, room for wide characters (struct locked_FILE in
/// iofopen.c).
struct PlainFile {
  FILE file;
  const void* functions;
  struct {
    int lock, count;
    void* owner;
  } lock;
  char wide[232];
};
static_assert(sizeof(CookieFile) <= offsetof(PlainFile, wide) + 64);
/// Where the lock goes when a plain file becomes a cookie file: behind the cookie's fields.
constexpr std::size_t kMovedLockAt = (sizeof(CookieFile) + 15) & ~std::size_t{15};
static_assert(kMovedLockAt + sizeof(PlainFile::lock) <= sizeof(PlainFile));

/// How a cookie file of ours looks from outside; null until there is one, or if the layout is another one.
std::atomic<const void*> cookie_functions = nullptr;
std::atomic<void*> our_mangled[4];

ssize_t read_stream(void* cookie, char* buffer, size_t room) {
  auto& stream = *static_cast<RemoteStream*>(cookie);
  if (stream.leftover_at < stream.leftover_bytes) {
    const std::size_t count = std::min(room, stream.leftover_bytes - stream.leftover_at);
    memcpy(buffer, stream.leftover + stream.leftover_at, count);
    stream.leftover_at += count;
    return static_cast<ssize_t>(count);
  }
  stream.was_used = true;
  if (buffer == stream.buffer) {
    if (stream.window_bytes == 0) stream.window_bytes = RemoteStream::kFirstReadBytes;
    room = std::min(room, stream.window_bytes);
    stream.window_bytes = std::min(stream.window_bytes * 2, RemoteStream::kBufferBytes);
  }
  return qnet_read(stream.fd, buffer, room);
}

/// libc takes less than everything for an error, so everything it is.
ssize_t write_stream(void* cookie, const char* bytes, size_t count) {
  auto& stream = *static_cast<RemoteStream*>(cookie);
  stream.was_used = true;
  std::size_t done = 0;
  while (done < count) {
    const ssize_t written = qnet_write(stream.fd, bytes + done, count - done);
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  return static_cast<ssize_t>(done);
}

int seek_stream(void* cookie, off64_t* offset, int whence) {
  auto& stream = *static_cast<RemoteStream*>(cookie);
  stream.leftover_at = stream.leftover_bytes;
  if (*offset != 0 || whence != SEEK_CUR) stream.window_bytes = 0;
  const off_t position = qnet_lseek(stream.fd, *offset, whence);
  if (position < 0) return -1;
  *offset = position;
  return 0;
}

int close_stream(void* cookie) {
  auto* const stream = static_cast<RemoteStream*>(cookie);
  forget_standard_stream(stream);
  const int result = stream->fd < 0 ? 0 : qnet_close(stream->fd);
  const KeepErrno keep;
  free(stream->leftover);
  free(stream->buffer);
  free(stream);
  return result;
}

constexpr cookie_io_functions_t kFunctions = {read_stream, write_stream, seek_stream, close_stream};

/// Learns how our streams look. libc encrypts function pointers, with one key per process.
void learn_layout(FILE* stream, const RemoteStream* cookie) {
  if (cookie_functions.load(std::memory_order_acquire) != nullptr) return;
  const auto* const file = reinterpret_cast<const CookieFile*>(stream);
  if (file->cookie != cookie) return;
  for (int i = 0; i < 4; ++i) our_mangled[i].store(file->mangled[i], std::memory_order_relaxed);
  cookie_functions.store(file->functions, std::memory_order_release);
}

RemoteStream* make_cookie(int fd) {
  auto* const cookie = static_cast<RemoteStream*>(calloc(1, sizeof(RemoteStream)));
  if (cookie == nullptr) return nullptr;
  cookie->fd = fd;
  cookie->buffer = static_cast<char*>(malloc(RemoteStream::kBufferBytes));
  return cookie;
}

/// A terminal is written line by line, as libc decides for its own streams at their first use.
void choose_buffering(FILE* stream, const RemoteStream& cookie) {
  const KeepErrno keep;
  if (cookie.buffer == nullptr) return;
  const int buffering = qnet_isatty(cookie.fd) == 1 ? _IOLBF : _IOFBF;
  setvbuf(stream, cookie.buffer, buffering, RemoteStream::kBufferBytes);
}

int access_flags(const StreamMode& mode) {
  return (mode.can_read ? 0 : kNoReads) | (mode.can_write ? 0 : kNoWrites) | (mode.appends ? kAppending : 0);
}

/// A stream opened with "a" begins at the end; with "a+" reading begins at the start.
void go_to_start(int fd, const StreamMode& mode) {
  const KeepErrno keep;
  if (mode.appends && !mode.can_read) qnet_lseek(fd, 0, SEEK_END);
}

}  // namespace

FILE* make_remote_stream(int fd, const StreamMode& mode) {
  RemoteStream* const cookie = make_cookie(fd);
  FILE* const stream = cookie == nullptr ? nullptr : fopencookie(cookie, mode.cookie, kFunctions);
  if (stream == nullptr) {
    if (cookie != nullptr) free(cookie->buffer);
    free(cookie);
    errno = ENOMEM;
    return nullptr;
  }
  stream->_fileno = fd;
  learn_layout(stream, cookie);
  choose_buffering(stream, *cookie);
  go_to_start(fd, mode);
  return stream;
}

RemoteStream* is_ours(FILE* stream) {
  const void* const functions = cookie_functions.load(std::memory_order_acquire);
  if (functions == nullptr) return nullptr;
  const auto* const file = reinterpret_cast<const CookieFile*>(stream);
  if (file->functions != functions) return nullptr;
  for (int i = 0; i < 4; ++i) {
    if (file->mangled[i] != our_mangled[i].load(std::memory_order_relaxed)) return nullptr;
  }
  return static_cast<RemoteStream*>(file->cookie);
}

bool convert_in_place(FILE* stream, int fd, const StreamMode& mode) {
  if (cookie_functions.load(std::memory_order_acquire) == nullptr) {
    if (FILE* const sample = make_remote_stream(-1, StreamMode{.cookie = "r"})) fclose(sample);
  }
  const void* const functions = cookie_functions.load(std::memory_order_acquire);
  auto* const plain = reinterpret_cast<PlainFile*>(stream);
  // All of libc's plain streams share the table of the standard ones.
  const bool is_plain = functions != nullptr &&
                        plain->functions == reinterpret_cast<const PlainFile*>(original_stream(0))->functions &&
                        reinterpret_cast<char*>(plain->file._wide_data) == plain->wide &&
                        plain->file._lock == static_cast<void*>(&plain->lock) && plain->file._mode <= 0;
  if (!is_plain) return false;
  RemoteStream* const cookie = make_cookie(fd);
  if (cookie == nullptr) return false;

  const auto lock = plain->lock;  // The caller may hold it.
  auto* const moved_lock = reinterpret_cast<decltype(plain->lock)*>(reinterpret_cast<char*>(plain) + kMovedLockAt);
  *moved_lock = lock;
  auto* const file = reinterpret_cast<CookieFile*>(stream);
  file->functions = functions;
  file->cookie = cookie;
  for (int i = 0; i < 4; ++i) file->mangled[i] = our_mangled[i].load(std::memory_order_relaxed);
  stream->_lock = reinterpret_cast<decltype(stream->_lock)>(moved_lock);
  stream->_wide_data = reinterpret_cast<struct _IO_wide_data*>(-1L);
  stream->_mode = -1;
  stream->_flags2 = 0;
  stream->_fileno = fd;
  restart_stream(stream, mode);
  return true;
}

void restart_stream(FILE* stream, const StreamMode& mode) {
  __fpurge(stream);
  stream->_flags = (stream->_flags & ~kOpeningFlags) | access_flags(mode);
  stream->_IO_read_ptr = stream->_IO_read_end = stream->_IO_read_base = stream->_IO_buf_base;
  stream->_IO_write_ptr = stream->_IO_write_end = stream->_IO_write_base = stream->_IO_buf_base;
  stream->_offset = -1;
  if (RemoteStream* const cookie = is_ours(stream)) {
    cookie->leftover_at = cookie->leftover_bytes;
    cookie->window_bytes = 0;
    cookie->orientation = 0;
    cookie->input_state = cookie->output_state = mbstate_t{};
    choose_buffering(stream, *cookie);
    go_to_start(cookie->fd, mode);
  }
}

}  // namespace qnet::preload
