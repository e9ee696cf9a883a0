// SPDX-License-Identifier: Apache-2.0
//
// tty_calls.cpp: what do ioctl() and the terminal functions say about a remote descriptor?
//
// Files are no terminals: ENOTTY, but for the few requests that every descriptor knows. A new kind of request is a row
// of kRequests. ioctl() takes one argument as wide as a pointer; local ones pass it on untouched.
#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <limits>

#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

extern "C" [[noreturn]] void __chk_fail();

namespace qnet::preload {
namespace {

/// FIONBIO and FIOASYNC: the flag lives in the owner's open file.
int set_status_flag(const RemoteFd& found, void* argument, int flag) {
  const int flags = qnet_fcntl(found.fd, F_GETFL, 0);
  if (flags < 0) return -1;
  const bool is_on = *static_cast<const int*>(argument) != 0;
  return qnet_fcntl(found.fd, F_SETFL, is_on ? flags | flag : flags & ~flag);
}
int set_non_blocking(const RemoteFd& found, void* argument) {
  return set_status_flag(found, argument, O_NONBLOCK);
}
int set_asynchronous(const RemoteFd& found, void* argument) {
  // The kernel refuses it where nothing could send the signal.
  if (*static_cast<const int*>(argument) != 0) return refuse(ENOTTY);
  return set_status_flag(found, argument, O_ASYNC);
}

// Close-on-exec is the descriptor's own and local.
int set_close_on_exec(const RemoteFd& found, void*) {
  return libc().fcntl(found.fd, F_SETFD, FD_CLOEXEC);
}
int clear_close_on_exec(const RemoteFd& found, void*) {
  return libc().fcntl(found.fd, F_SETFD, 0);
}

int count_readable(const RemoteFd& found, void* argument) {
  if (!found.is_file()) return refuse(ENOTTY);
  struct stat status;
  if (qnet_fstat(found.fd, &status) != 0) return -1;
  if (!S_ISREG(status.st_mode)) return refuse(ENOTTY);
  const off_t position = qnet_lseek(found.fd, 0, SEEK_CUR);
  if (position < 0) return -1;
  *static_cast<int*>(argument) = static_cast<int>(status.st_size - position);
  return 0;
}

/// What a file system without the ability says; cp falls back to copying.
int refuse_clone(const RemoteFd&, void*) {
  return refuse(EOPNOTSUPP);
}

struct Request {
  unsigned long number;
  int (*serve)(const RemoteFd& found, void* argument);
};
constexpr Request kRequests[] = {
    {FIONBIO, set_non_blocking},     {FIOASYNC, set_asynchronous},  {FIOCLEX, set_close_on_exec},
    {FIONCLEX, clear_close_on_exec}, {FIONREAD, count_readable},    {FICLONE, refuse_clone},
    {FICLONERANGE, refuse_clone},    {FIDEDUPERANGE, refuse_clone},
};

int serve_request(const RemoteFd& found, unsigned long number, void* argument) {
  if (found.kind == wire::HandleKind::kPath) return refuse(EBADF);
  if (found.error != 0 && number != FIOCLEX && number != FIONCLEX) return refuse(found.error);
  // The kernel looks at 32 bits; some programs pass them sign-extended.
  for (const Request& request : kRequests) {
    if (static_cast<std::uint32_t>(request.number) == static_cast<std::uint32_t>(number)) {
      return request.serve(found, argument);
    }
  }
  return refuse(ENOTTY);
}

/// The answer of every terminal function; nothing if `fd` is local.
bool is_no_terminal(int fd) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return false;
  refuse(found.kind == wire::HandleKind::kPath ? EBADF : found.error != 0 ? found.error : ENOTTY);
  return true;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_ioctl(int fd, unsigned long request, void* argument) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().ioctl(fd, request, argument);
  return serve_request(found, request, argument);
}

extern "C" int qnet_isatty(int fd) {
  return is_no_terminal(fd) ? 0 : libc().isatty(fd);
}

extern "C" char* qnet_ttyname(int fd) {
  return is_no_terminal(fd) ? nullptr : libc().ttyname(fd);
}

extern "C" int qnet_ttyname_r(int fd, char* name, size_t room) {
  return is_no_terminal(fd) ? errno : libc().ttyname_r(fd, name, room);
}

extern "C" int qnet___ttyname_r_chk(int fd, char* name, size_t room, size_t object_room) {
  if (room > object_room) __chk_fail();
  return qnet_ttyname_r(fd, name, room);
}

extern "C" int qnet_tcgetattr(int fd, struct termios* settings) {
  return is_no_terminal(fd) ? -1 : libc().tcgetattr(fd, settings);
}
extern "C" int qnet_tcsetattr(int fd, int when, const struct termios* settings) {
  return is_no_terminal(fd) ? -1 : libc().tcsetattr(fd, when, settings);
}
extern "C" int qnet_tcsendbreak(int fd, int duration) {
  return is_no_terminal(fd) ? -1 : libc().tcsendbreak(fd, duration);
}
extern "C" int qnet_tcdrain(int fd) {
  return is_no_terminal(fd) ? -1 : libc().tcdrain(fd);
}
extern "C" int qnet_tcflush(int fd, int which) {
  return is_no_terminal(fd) ? -1 : libc().tcflush(fd, which);
}
extern "C" int qnet_tcflow(int fd, int action) {
  return is_no_terminal(fd) ? -1 : libc().tcflow(fd, action);
}
extern "C" pid_t qnet_tcgetpgrp(int fd) {
  return is_no_terminal(fd) ? -1 : libc().tcgetpgrp(fd);
}
extern "C" int qnet_tcsetpgrp(int fd, pid_t group) {
  return is_no_terminal(fd) ? -1 : libc().tcsetpgrp(fd, group);
}
extern "C" pid_t qnet_tcgetsid(int fd) {
  return is_no_terminal(fd) ? -1 : libc().tcgetsid(fd);
}
