// SPDX-License-Identifier: Apache-2.0
//
// stream_calls.cpp: how do streams on remote files begin? (fopen, fdopen, freopen; dprintf, which has no stream)
//
// Reading, writing, seeking and closing are libc's, through the functions of remote_stream.cpp. popen() stays libc's.
#include <fcntl.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_stream.hpp"
#include "preload/standard_streams.hpp"

namespace qnet::preload {
namespace {

constexpr mode_t kCreateMode = 0666;

/// A stream of ours on a remote `fd`, one of libc's on a local one (a path below the prefix may lead out of it).
FILE* open_stream(int fd, const char* mode, const StreamMode& parsed) {
  FILE* const stream = is_remote(fd) ? make_remote_stream(fd, parsed) : libc().fdopen(fd, mode);
  if (stream == nullptr) {
    const KeepErrno keep;
    qnet_close(fd);
  }
  return stream;
}

FILE* open_remote(const char* path, const char* mode) {
  const std::optional<StreamMode> parsed = parse_stream_mode(mode);
  if (!parsed) {
    errno = EINVAL;
    return nullptr;
  }
  const int fd = qnet_open(path, parsed->open_flags, kCreateMode);
  return fd < 0 ? nullptr : open_stream(fd, mode, *parsed);
}

/// What libc's freopen() leaves behind when the path cannot be opened: a closed stream.
FILE* fail_reopen(FILE* stream, int error) {
  if (RemoteStream* const cookie = is_ours(stream)) {
    if (cookie->fd >= 0) qnet_close(cookie->fd);
    cookie->fd = stream->_fileno = -1;
  } else {
    libc().freopen("", "r", stream);
  }
  errno = error;
  return nullptr;
}

/// The new file takes over the old one's number. Returns the number, or -1 and errno.
int take_number(int fd, int number, bool close_on_exec) {
  if (number < 0 || fd == number) return fd;
  const int moved = qnet_dup3(fd, number, close_on_exec ? O_CLOEXEC : 0);
  const KeepErrno keep;
  qnet_close(fd);
  return moved;
}

/// `fd` has been opened for `stream`, one of libc's, which `variable` pointed to if it is a standard stream.
FILE* continue_libc_stream(int fd, FILE* stream, FILE** variable, const StreamMode& mode) {
  if (variable != nullptr && *variable != stream) {  // dup3() has seen to it.
    restart_stream(*variable, mode);
    return *variable;
  }
  if (variable == nullptr && convert_in_place(stream, fd, mode)) return stream;
  // A standard stream, or one of an unusual kind. Its memory stays, for those who kept the pointer.
  __fpurge(stream);
  FILE* const fresh = make_remote_stream(fd, mode);
  if (fresh != nullptr && variable != nullptr) *variable = fresh;
  return fresh;
}

/// The stream's next file is `path`, or what it has already if null; one of the two is remote.
FILE* reopen(const char* path, const StreamMode& mode, FILE* stream) {
  fflush(stream);
  RemoteStream* const cookie = is_ours(stream);
  FILE** const variable = standard_variable(stream);
  const int number = cookie != nullptr ? cookie->fd : stream->_fileno;
  char self[sizeof("/proc/self/fd/") + 12];
  if (path == nullptr) {
    snprintf(self, sizeof(self), "/proc/self/fd/%d", number);
    path = self;
  }
  const int opened = qnet_open(path, mode.open_flags, kCreateMode);
  if (opened < 0) return fail_reopen(stream, errno);
  const int fd = take_number(opened, number, (mode.open_flags & O_CLOEXEC) != 0);
  if (fd < 0) return fail_reopen(stream, errno);
  if (cookie == nullptr) return continue_libc_stream(fd, stream, variable, mode);
  cookie->fd = stream->_fileno = fd;
  restart_stream(stream, mode);
  return stream;
}

/// The access mode that `fd` was opened with allows what the stream wants; O_APPEND is set if it wants that.
bool fits(int fd, const StreamMode& mode) {
  const int flags = qnet_fcntl(fd, F_GETFL, 0);
  if (flags < 0) return false;
  const int access = flags & O_ACCMODE;
  if ((access == O_RDONLY && mode.can_write) || (access == O_WRONLY && mode.can_read)) {
    errno = EINVAL;
    return false;
  }
  if (!mode.appends || (flags & O_APPEND) != 0) return true;
  return qnet_fcntl(fd, F_SETFL, flags | O_APPEND) == 0;
}

int print_to(int fd, const char* format, va_list arguments) {
  char* text = nullptr;
  const int count = vasprintf(&text, format, arguments);
  for (ssize_t done = 0; done < count;) {
    const ssize_t written = qnet_write(fd, text + done, static_cast<std::size_t>(count - done));
    if (written <= 0) {
      const KeepErrno keep;
      free(text);
      return -1;
    }
    done += written;
  }
  if (count >= 0) free(text);
  return count;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" FILE* qnet_fopen(const char* path, const char* mode) {
  return open_by_path(
      path, [=](const char* local_path) { return libc().fopen(local_path, mode); },
      [=](const char* remote_path) { return open_remote(remote_path, mode); });
}

extern "C" FILE* qnet_fdopen(int fd, const char* mode) {
  if (!is_remote(fd)) return libc().fdopen(fd, mode);
  const std::optional<StreamMode> parsed = parse_stream_mode(mode);
  if (!parsed) {
    errno = EINVAL;
    return nullptr;
  }
  return fits(fd, *parsed) ? make_remote_stream(fd, *parsed) : nullptr;
}

extern "C" FILE* qnet_setmntent(const char* path, const char* mode) {
  return open_by_path(
      path, [=](const char* local) { return libc().setmntent(local, mode); },
      [=](const char* remote) { return qnet_fopen(remote, mode); });
}

extern "C" FILE* qnet_freopen(const char* path, const char* mode, FILE* stream) {
  const bool is_for_us =
      is_ours(stream) != nullptr || (path != nullptr ? leads_away(path) : is_remote(stream->_fileno));
  if (!is_for_us) return libc().freopen(path, mode, stream);
  const std::optional<StreamMode> parsed = parse_stream_mode(mode);
  if (!parsed) return fail_reopen(stream, EINVAL);
  flockfile(stream);
  FILE* const reopened = reopen(path, *parsed, stream);
  funlockfile(stream);
  return reopened;
}

extern "C" int qnet_vdprintf(int fd, const char* format, va_list arguments) {
  return may_be_remote(fd) ? print_to(fd, format, arguments) : libc().vdprintf(fd, format, arguments);
}

extern "C" int qnet___vdprintf_chk(int fd, int fortify, const char* format, va_list arguments) {
  return may_be_remote(fd) ? print_to(fd, format, arguments) : libc().__vdprintf_chk(fd, fortify, format, arguments);
}

extern "C" int qnet_dprintf(int fd, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = qnet_vdprintf(fd, format, arguments);
  va_end(arguments);
  return count;
}

extern "C" int qnet___dprintf_chk(int fd, int fortify, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = qnet___vdprintf_chk(fd, fortify, format, arguments);
  va_end(arguments);
  return count;
}
