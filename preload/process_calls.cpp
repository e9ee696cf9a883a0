// SPDX-License-Identifier: Apache-2.0
//
// process_calls.cpp: new processes and new identities.
//
// A remote descriptor is inherited by itself; what must not be shared is the connections to the agent. vfork() lets the
// child run in our memory without telling anybody, so it is a fork() whose parent waits until the child has called exec
// or is gone.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/client/brought.hpp"
#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/startup.hpp"

namespace qnet::preload {
namespace {

/// The pipe of vfork() lives above the numbers that a child rearranges before exec.
constexpr int kVforkFloor = 900;

int move_up(int fd) {
  const long moved = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, kVforkFloor);
  if (moved < 0) return fd;
  raw_syscall(SYS_close, fd);
  return static_cast<int>(moved);
}

template <class Value>
Value note_identity(Value result) {
  if (result == 0) client::forget_identity();
  return result;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" pid_t qnet_fork() {
  const pid_t child = libc().fork();
  if (child == 0) after_fork_in_child();
  return child;
}

extern "C" pid_t qnet__Fork() {
  qnet::client::brought::settle();
  const pid_t child = libc()._Fork();
  if (child == 0) after_fork_in_child();
  return child;
}

extern "C" pid_t qnet_vfork() {
  int ends[2];
  if (qnet::raw_syscall(SYS_pipe2, ends, O_CLOEXEC) < 0) return qnet_fork();
  const int from_child = move_up(ends[0]);
  const int to_parent = move_up(ends[1]);
  const pid_t child = qnet_fork();
  if (child == 0) {
    qnet::raw_syscall(SYS_close, from_child);
    return 0;
  }
  const KeepErrno keep;
  qnet::raw_syscall(SYS_close, to_parent);
  // Nothing is ever written: this ends when the child's copy closes.
  char nothing = 0;
  while (child > 0 && qnet::raw_syscall(SYS_read, from_child, &nothing, 1) == -EINTR) {
  }
  qnet::raw_syscall(SYS_close, from_child);
  return child;
}

extern "C" int qnet_daemon(int keep_directory, int keep_streams) {
  const pid_t child = qnet_fork();
  if (child < 0) return -1;
  if (child > 0) ::_exit(0);
  if (::setsid() < 0) return -1;
  if (keep_directory == 0 && qnet_chdir("/") < 0) return -1;
  if (keep_streams != 0) return 0;
  const int null = qnet_open("/dev/null", O_RDWR, 0);
  if (null < 0) return -1;
  for (int fd = 0; fd <= 2; ++fd) qnet_dup2(null, fd);
  if (null > 2) qnet_close(null);
  return 0;
}

extern "C" int qnet_setuid(uid_t user) {
  return note_identity(libc().setuid(user));
}
extern "C" int qnet_seteuid(uid_t user) {
  return note_identity(libc().seteuid(user));
}
extern "C" int qnet_setreuid(uid_t real, uid_t effective) {
  return note_identity(libc().setreuid(real, effective));
}
extern "C" int qnet_setresuid(uid_t real, uid_t effective, uid_t saved) {
  return note_identity(libc().setresuid(real, effective, saved));
}
extern "C" int qnet_setgid(gid_t group) {
  return note_identity(libc().setgid(group));
}
extern "C" int qnet_setegid(gid_t group) {
  return note_identity(libc().setegid(group));
}
extern "C" int qnet_setregid(gid_t real, gid_t effective) {
  return note_identity(libc().setregid(real, effective));
}
extern "C" int qnet_setresgid(gid_t real, gid_t effective, gid_t saved) {
  return note_identity(libc().setresgid(real, effective, saved));
}
extern "C" int qnet_setgroups(size_t count, const gid_t* groups) {
  return note_identity(libc().setgroups(count, groups));
}
extern "C" int qnet_initgroups(const char* name, gid_t group) {
  return note_identity(libc().initgroups(name, group));
}
