// SPDX-License-Identifier: Apache-2.0
//
// syscall_calls.cpp: syscall(2), by which libuv, nginx, Python and others reach calls that libc did not have yet.
//
// What could concern the prefix or a remote descriptor goes the same way as the libc function; anything else, known or
// not, goes on to the kernel with all six arguments. Calls that would reach remote descriptors behind our back and that
// callers can do without are absent (ENOSYS): io_uring.
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include <cstring>
#include <utility>

#include "agent/client/brought.hpp"
#include "preload/libc.hpp"
#include "preload/open_remote.hpp"
#include "preload/remote_call.hpp"
#include "preload/startup.hpp"

namespace qnet::preload {
namespace {

// Newer than some kernel headers.
constexpr long kIoUringSetup = 425;
constexpr long kClone3 = 435;
constexpr long kOpenat2 = 437;
constexpr long kPidfdGetfd = 438;
constexpr long kFaccessat2 = 439;
constexpr long kFchmodat2 = 452;

struct Arguments {
  long number;
  long list[6];
};

template <class T>
T as(long value) {
  if constexpr (std::is_pointer_v<T>) return reinterpret_cast<T>(value);
  else return static_cast<T>(value);
}

long pass(const Arguments& call) {
  client::brought::settle();  // It may wait for others, or make a process that shares our descriptors.
  const auto& [a, b, c, d, e, f] = call.list;
  return libc().syscall(call.number, a, b, c, d, e, f);
}

template <class Value, class... Parameters, std::size_t... kAt>
long call_with(Value (*function)(Parameters...), const Arguments& call, std::index_sequence<kAt...>) {
  const Value value = function(as<Parameters>(call.list[kAt])...);
  if constexpr (std::is_pointer_v<Value>) return reinterpret_cast<long>(value);
  else return static_cast<long>(value);
}

/// A libc function that takes what the system call takes.
template <auto kFunction>
long forward(const Arguments& call) {
  const auto run = [&]<class Value, class... Parameters>(Value (*function)(Parameters...)) {
    return call_with(function, call, std::index_sequence_for<Parameters...>());
  };
  return run(kFunction);
}

/// The system call has no flags where the libc function has them as its fourth parameter.
template <auto kFunction>
long forward_without_flags(const Arguments& call) {
  Arguments without = call;
  without.list[3] = 0;
  return forward<kFunction>(without);
}

/// The offset comes in two parts, of which the second counts on small machines only; libc has no such gap.
template <auto kFunction>
long forward_vector_2(const Arguments& call) {
  Arguments closed = call;
  closed.list[4] = call.list[5];
  return forward<kFunction>(closed);
}

/// The new descriptor may be anything.
long pass_receiving(const Arguments& call) {
  const long fd = pass(call);
  if (fd >= 0) note_unknown(static_cast<int>(fd));
  return fd;
}

long pass_fork(const Arguments& call) {
  const long result = pass(call);
  if (result == 0) after_fork_in_child();
  return result;
}

/// Threads and processes that share memory keep what is ours.
long pass_clone(const Arguments& call) {
  return (call.list[0] & CLONE_VM) != 0 ? pass(call) : pass_fork(call);
}
long pass_clone3(const Arguments& call) {
  const auto* const wanted = as<const clone_args*>(call.list[0]);
  const bool shares = wanted == nullptr || (wanted->flags & CLONE_VM) != 0;
  return shares ? pass(call) : pass_fork(call);
}

long pass_identity(const Arguments& call) {
  const long result = pass(call);
  if (result == 0) client::forget_identity();
  return result;
}

long is_absent(const Arguments&) {
  return refuse(ENOSYS);
}

/// getcwd(2) returns the length, its NUL included.
long call_getcwd(const Arguments& call) {
  const char* const here = qnet_getcwd(as<char*>(call.list[0]), as<std::size_t>(call.list[1]));
  return here == nullptr ? -1 : static_cast<long>(std::strlen(here)) + 1;
}

long call_openat2(const Arguments& call) {
  const auto& [dirfd, path, how, size, e, f] = call.list;
  return open_by_how(as<int>(dirfd), as<const char*>(path), as<const open_how*>(how), as<std::size_t>(size));
}

/// Without a path it is the descriptor's.
long call_utimensat(const Arguments& call) {
  const auto& [fd, path, times, flags, e, f] = call.list;
  if (path != 0 || flags != 0) return forward<qnet_utimensat>(call);
  return qnet_futimens(as<int>(fd), as<const timespec*>(times));
}

long call_fadvise(const Arguments& call) {
  const long error = forward<qnet_posix_fadvise>(call);
  return error == 0 ? 0 : refuse(static_cast<int>(error));
}

/// The kernel's signal set has 8 bytes.
sigset_t* widen(long set, sigset_t& memory) {
  if (set == 0) return nullptr;
  sigemptyset(&memory);
  std::memcpy(&memory, as<const void*>(set), 8);
  return &memory;
}
bool has_remote(const pollfd* fds, nfds_t count) {
  for (nfds_t i = 0; i < count; ++i) {
    if (is_remote(fds[i].fd)) return true;
  }
  return false;
}
bool has_remote(int count, const fd_set* set) {
  for (int fd = 0; set != nullptr && fd < count && fd < FD_SETSIZE; ++fd) {
    if (FD_ISSET(fd, set) && is_remote(fd)) return true;
  }
  return false;
}
/// Only the kernel tells what is left of the time, so it keeps what is its own.
long call_ppoll(const Arguments& call) {
  const auto& [fds, count, timeout, mask, size, f] = call.list;
  if (!has_remote(as<const pollfd*>(fds), as<nfds_t>(count))) return pass(call);
  sigset_t memory;
  return qnet_ppoll(as<pollfd*>(fds), as<nfds_t>(count), as<const timespec*>(timeout), widen(mask, memory));
}
long call_pselect(const Arguments& call) {
  const auto& [limit, readable, writable, exceptional, timeout, mask] = call.list;
  const int count = as<int>(limit);
  const bool concerns_us = has_remote(count, as<fd_set*>(readable)) || has_remote(count, as<fd_set*>(writable)) ||
                           has_remote(count, as<fd_set*>(exceptional));
  if (!concerns_us) return pass(call);
  // A pointer to the set, and its size.
  const long set = mask == 0 ? 0 : *as<const long*>(mask);
  sigset_t memory;
  return qnet_pselect(count, as<fd_set*>(readable), as<fd_set*>(writable), as<fd_set*>(exceptional),
                      as<const timespec*>(timeout), widen(set, memory));
}

template <long kNumber, auto kHandler>
struct Row {
  static bool take(const Arguments& call, long& result) {
    if (call.number != kNumber) return false;
    result = kHandler(call);
    return true;
  }
};
template <class... Rows>
struct Table {
  static bool take(const Arguments& call, long& result) { return (Rows::take(call, result) || ...); }
};

using DescriptorCalls = Table<
    Row<SYS_read, forward<qnet_read>>, Row<SYS_write, forward<qnet_write>>, Row<SYS_pread64, forward<qnet_pread>>,
    Row<SYS_pwrite64, forward<qnet_pwrite>>, Row<SYS_readv, forward<qnet_readv>>, Row<SYS_writev, forward<qnet_writev>>,
    Row<SYS_preadv, forward<qnet_preadv>>, Row<SYS_pwritev, forward<qnet_pwritev>>, Row<SYS_lseek, forward<qnet_lseek>>,
    Row<SYS_close, forward<qnet_close>>, Row<SYS_dup, forward<qnet_dup>>, Row<SYS_dup3, forward<qnet_dup3>>,
    Row<SYS_fcntl, forward<qnet_fcntl>>, Row<SYS_close_range, forward<qnet_close_range>>,
    Row<SYS_fstat, forward<qnet_fstat>>, Row<SYS_fchmod, forward<qnet_fchmod>>, Row<SYS_fchown, forward<qnet_fchown>>,
    Row<SYS_ftruncate, forward<qnet_ftruncate>>, Row<SYS_fchdir, forward<qnet_fchdir>>,
    Row<SYS_getdents64, forward<qnet_getdents64>>, Row<SYS_fsync, forward<qnet_fsync>>,
    Row<SYS_fdatasync, forward<qnet_fdatasync>>, Row<SYS_syncfs, forward<qnet_syncfs>>,
    Row<SYS_sync_file_range, forward<qnet_sync_file_range>>, Row<SYS_readahead, forward<qnet_readahead>>,
    Row<SYS_flock, forward<qnet_flock>>, Row<SYS_fallocate, forward<qnet_fallocate>>,
    Row<SYS_ioctl, forward<qnet_ioctl>>, Row<SYS_copy_file_range, forward<qnet_copy_file_range>>,
    Row<SYS_sendfile, forward<qnet_sendfile>>, Row<SYS_splice, forward<qnet_splice>>, Row<SYS_tee, forward<qnet_tee>>,
    Row<SYS_vmsplice, forward<qnet_vmsplice>>, Row<SYS_fstatfs, forward<qnet_fstatfs>>,
    Row<SYS_mmap, forward<qnet_mmap>>, Row<SYS_epoll_ctl, forward<qnet_epoll_ctl>>,
    Row<SYS_recvmsg, forward<qnet_recvmsg>>, Row<SYS_recvmmsg, forward<qnet_recvmmsg>>,
    Row<SYS_fgetxattr, forward<qnet_fgetxattr>>, Row<SYS_fsetxattr, forward<qnet_fsetxattr>>,
    Row<SYS_flistxattr, forward<qnet_flistxattr>>, Row<SYS_fremovexattr, forward<qnet_fremovexattr>>,
    Row<SYS_preadv2, forward_vector_2<qnet_preadv2>>, Row<SYS_pwritev2, forward_vector_2<qnet_pwritev2>>,
    Row<SYS_fadvise64, call_fadvise>, Row<SYS_ppoll, call_ppoll>, Row<SYS_pselect6, call_pselect>,
    Row<kPidfdGetfd, pass_receiving>, Row<kIoUringSetup, is_absent>>;

using PathCalls =
    Table<Row<SYS_openat, forward<qnet_openat>>, Row<SYS_newfstatat, forward<qnet_fstatat>>,
          Row<SYS_statx, forward<qnet_statx>>, Row<SYS_mkdirat, forward<qnet_mkdirat>>,
          Row<SYS_mknodat, forward<qnet_mknodat>>, Row<SYS_unlinkat, forward<qnet_unlinkat>>,
          Row<SYS_renameat2, forward<qnet_renameat2>>, Row<SYS_linkat, forward<qnet_linkat>>,
          Row<SYS_symlinkat, forward<qnet_symlinkat>>, Row<SYS_readlinkat, forward<qnet_readlinkat>>,
          Row<SYS_fchownat, forward<qnet_fchownat>>, Row<SYS_truncate, forward<qnet_truncate>>,
          Row<SYS_chdir, forward<qnet_chdir>>, Row<SYS_chroot, forward<qnet_chroot>>,
          Row<SYS_execve, forward<qnet_execve>>, Row<SYS_execveat, forward<qnet_execveat>>,
          Row<SYS_statfs, forward<qnet_statfs>>, Row<SYS_getxattr, forward<qnet_getxattr>>,
          Row<SYS_lgetxattr, forward<qnet_lgetxattr>>, Row<SYS_setxattr, forward<qnet_setxattr>>,
          Row<SYS_lsetxattr, forward<qnet_lsetxattr>>, Row<SYS_listxattr, forward<qnet_listxattr>>,
          Row<SYS_llistxattr, forward<qnet_llistxattr>>, Row<SYS_removexattr, forward<qnet_removexattr>>,
          Row<SYS_lremovexattr, forward<qnet_lremovexattr>>,
          Row<SYS_inotify_add_watch, forward<qnet_inotify_add_watch>>,
          Row<SYS_name_to_handle_at, forward<qnet_name_to_handle_at>>,
          Row<SYS_open_by_handle_at, forward<qnet_open_by_handle_at>>, Row<kOpenat2, call_openat2>,
          Row<SYS_faccessat, forward_without_flags<qnet_faccessat>>, Row<kFaccessat2, forward<qnet_faccessat>>,
          Row<SYS_fchmodat, forward_without_flags<qnet_fchmodat>>, Row<kFchmodat2, forward<qnet_fchmodat>>,
          Row<SYS_utimensat, call_utimensat>, Row<SYS_getcwd, call_getcwd>>;

/// Calls that newer machines do not have any more.
#if defined(__x86_64__)
long call_getdents(const Arguments& call) {
  return is_remote(as<int>(call.list[0])) ? refuse(ENOSYS) : pass(call);
}
long call_vfork(const Arguments&) {
  return qnet_vfork();
}
using OldCalls = Table<
    Row<SYS_open, forward<qnet_open>>, Row<SYS_creat, forward<qnet_creat>>, Row<SYS_stat, forward<qnet_stat>>,
    Row<SYS_lstat, forward<qnet_lstat>>, Row<SYS_access, forward<qnet_access>>, Row<SYS_mkdir, forward<qnet_mkdir>>,
    Row<SYS_rmdir, forward<qnet_rmdir>>, Row<SYS_unlink, forward<qnet_unlink>>, Row<SYS_rename, forward<qnet_rename>>,
    Row<SYS_renameat, forward<qnet_renameat>>, Row<SYS_link, forward<qnet_link>>,
    Row<SYS_symlink, forward<qnet_symlink>>, Row<SYS_readlink, forward<qnet_readlink>>,
    Row<SYS_chmod, forward<qnet_chmod>>, Row<SYS_chown, forward<qnet_chown>>, Row<SYS_lchown, forward<qnet_lchown>>,
    Row<SYS_mknod, forward<qnet_mknod>>, Row<SYS_dup2, forward<qnet_dup2>>, Row<SYS_utime, forward<qnet_utime>>,
    Row<SYS_utimes, forward<qnet_utimes>>, Row<SYS_futimesat, forward<qnet_futimesat>>,
    Row<SYS_poll, forward<qnet_poll>>, Row<SYS_select, forward<qnet_select>>, Row<SYS_getdents, call_getdents>,
    Row<SYS_fork, pass_fork>, Row<SYS_vfork, call_vfork>>;
#else
using OldCalls = Table<>;
#endif

/// New processes and identities.
using ProcessCalls =
    Table<Row<SYS_umask, forward<qnet_umask>>, Row<SYS_clone, pass_clone>, Row<kClone3, pass_clone3>,
          Row<SYS_setuid, pass_identity>, Row<SYS_setgid, pass_identity>, Row<SYS_setreuid, pass_identity>,
          Row<SYS_setregid, pass_identity>, Row<SYS_setresuid, pass_identity>, Row<SYS_setresgid, pass_identity>,
          Row<SYS_setgroups, pass_identity>>;

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" long qnet_syscall(long number, long a, long b, long c, long d, long e, long f) {
  const Arguments call{number, {a, b, c, d, e, f}};
  long result = -1;
  if (!is_started() || number == SYS_futex || number == SYS_gettid) return pass(call);
  if (DescriptorCalls::take(call, result) || PathCalls::take(call, result) || OldCalls::take(call, result) ||
      ProcessCalls::take(call, result)) {
    return result;
  }
  return pass(call);
}
