// SPDX-License-Identifier: Apache-2.0
//
// syscall_calls.cpp: syscall(2), by which libuv, nginx, Python and others reach calls that libc did not have yet.
//
// What could concern the prefix or a remote descriptor goes the same way as the libc function; anything else, known or
// not, goes on to the kernel with all six arguments.
#include <sched.h>
#include <sys/syscall.h>

#include <cstring>

#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/startup.hpp"

namespace qnet::preload {
namespace {

// Newer than some kernel headers.
constexpr long kOpenat2 = 437;
constexpr long kFaccessat2 = 439;
constexpr long kFchmodat2 = 452;
constexpr long kPidfdGetfd = 438;

struct Arguments {
  long number, a, b, c, d, e, f;
};

int as_int(long value) {
  return static_cast<int>(value);
}
unsigned as_unsigned(long value) {
  return static_cast<unsigned>(value);
}
template <class T>
T* as(long value) {
  return reinterpret_cast<T*>(value);
}
const char* as_path(long value) {
  return as<const char>(value);
}

long pass(const Arguments& call) {
  return libc().syscall(call.number, call.a, call.b, call.c, call.d, call.e, call.f);
}

/// ENOSYS makes the caller use the older call, which we understand.
long pass_unless_remote_path(const Arguments& call) {
  return is_plainly_local(as_int(call.a), as_path(call.b)) ? pass(call) : refuse(ENOSYS);
}

/// The new descriptor may be anything.
long pass_receiving(const Arguments& call) {
  const long fd = pass(call);
  if (fd >= 0) note_unknown(as_int(fd));
  return fd;
}

/// getcwd(2) returns the length, its NUL included.
long kernel_getcwd(char* buffer, std::size_t room) {
  const char* const here = qnet_getcwd(buffer, room);
  return here == nullptr ? -1 : static_cast<long>(std::strlen(here)) + 1;
}

long pass_fork(const Arguments& call) {
  const long result = pass(call);
  if (result == 0) after_fork_in_child();
  return result;
}

long pass_identity(const Arguments& call) {
  const long result = pass(call);
  if (result == 0) client::forget_identity();
  return result;
}

/// Calls on an open file as a whole, or on two.
bool file_call(const Arguments& call, long& result) {
  switch (call.number) {
    case SYS_pidfd_getfd:
      result = pass_receiving(call);
      return true;
    case SYS_fsync:
      result = qnet_fsync(as_int(call.a));
      return true;
    case SYS_fdatasync:
      result = qnet_fdatasync(as_int(call.a));
      return true;
    case SYS_flock:
      result = qnet_flock(as_int(call.a), as_int(call.b));
      return true;
    case SYS_fallocate:
      result = qnet_fallocate(as_int(call.a), as_int(call.b), call.c, call.d);
      return true;
    case SYS_ioctl:
      result = qnet_ioctl(as_int(call.a), static_cast<unsigned long>(call.b), as<void>(call.c));
      return true;
    case SYS_copy_file_range:
      result = qnet_copy_file_range(as_int(call.a), as<off64_t>(call.b), as_int(call.c), as<off64_t>(call.d),
                                    static_cast<std::size_t>(call.e), as_unsigned(call.f));
      return true;
    case SYS_sendfile:
      result = qnet_sendfile(as_int(call.a), as_int(call.b), as<off_t>(call.c), static_cast<std::size_t>(call.d));
      return true;
    default:
      return false;
  }
}

/// Calls on a descriptor.
bool descriptor_call(const Arguments& call, long& result) {
  switch (call.number) {
    case kPidfdGetfd:
      result = pass_receiving(call);
      return true;
    case SYS_read:
      result = qnet_read(as_int(call.a), as<void>(call.b), static_cast<std::size_t>(call.c));
      return true;
    case SYS_write:
      result = qnet_write(as_int(call.a), as<void>(call.b), static_cast<std::size_t>(call.c));
      return true;
    case SYS_pread64:
      result = qnet_pread(as_int(call.a), as<void>(call.b), static_cast<std::size_t>(call.c), call.d);
      return true;
    case SYS_pwrite64:
      result = qnet_pwrite(as_int(call.a), as<void>(call.b), static_cast<std::size_t>(call.c), call.d);
      return true;
    case SYS_readv:
      result = qnet_readv(as_int(call.a), as<iovec>(call.b), as_int(call.c));
      return true;
    case SYS_writev:
      result = qnet_writev(as_int(call.a), as<iovec>(call.b), as_int(call.c));
      return true;
    case SYS_lseek:
      result = qnet_lseek(as_int(call.a), call.b, as_int(call.c));
      return true;
    case SYS_close:
      result = qnet_close(as_int(call.a));
      return true;
    case SYS_dup:
      result = qnet_dup(as_int(call.a));
      return true;
    case SYS_dup3:
      result = qnet_dup3(as_int(call.a), as_int(call.b), as_int(call.c));
      return true;
    case SYS_fcntl:
      result = qnet_fcntl(as_int(call.a), as_int(call.b), call.c);
      return true;
    case SYS_close_range:
      result = qnet_close_range(as_unsigned(call.a), as_unsigned(call.b), as_int(call.c));
      return true;
    case SYS_fstat:
      result = qnet_fstat(as_int(call.a), as<struct stat>(call.b));
      return true;
    case SYS_fchmod:
      result = qnet_fchmod(as_int(call.a), as_unsigned(call.b));
      return true;
    case SYS_fchown:
      result = qnet_fchown(as_int(call.a), as_unsigned(call.b), as_unsigned(call.c));
      return true;
    case SYS_ftruncate:
      result = qnet_ftruncate(as_int(call.a), call.b);
      return true;
    case SYS_fchdir:
      result = qnet_fchdir(as_int(call.a));
      return true;
    case SYS_getdents64:
      result = qnet_getdents64(as_int(call.a), as<void>(call.b), static_cast<std::size_t>(call.c));
      return true;
    default:
      return file_call(call, result);
  }
}

/// Calls on a path.
bool path_call(const Arguments& call, long& result) {
  switch (call.number) {
    case SYS_openat:
      result = qnet_openat(as_int(call.a), as_path(call.b), as_int(call.c), as_unsigned(call.d));
      return true;
    case kOpenat2:
      result = pass_unless_remote_path(call);
      return true;
    case SYS_newfstatat:
      result = qnet_fstatat(as_int(call.a), as_path(call.b), as<struct stat>(call.c), as_int(call.d));
      return true;
    case SYS_statx:
      result =
          qnet_statx(as_int(call.a), as_path(call.b), as_int(call.c), as_unsigned(call.d), as<struct statx>(call.e));
      return true;
    case SYS_faccessat:
      result = qnet_faccessat(as_int(call.a), as_path(call.b), as_int(call.c), 0);
      return true;
    case kFaccessat2:
      result = qnet_faccessat(as_int(call.a), as_path(call.b), as_int(call.c), as_int(call.d));
      return true;
    case SYS_mkdirat:
      result = qnet_mkdirat(as_int(call.a), as_path(call.b), as_unsigned(call.c));
      return true;
    case SYS_mknodat:
      result = qnet_mknodat(as_int(call.a), as_path(call.b), as_unsigned(call.c), as_unsigned(call.d));
      return true;
    case SYS_unlinkat:
      result = qnet_unlinkat(as_int(call.a), as_path(call.b), as_int(call.c));
      return true;
    case SYS_renameat2:
      result = qnet_renameat2(as_int(call.a), as_path(call.b), as_int(call.c), as_path(call.d), as_unsigned(call.e));
      return true;
    case SYS_linkat:
      result = qnet_linkat(as_int(call.a), as_path(call.b), as_int(call.c), as_path(call.d), as_int(call.e));
      return true;
    case SYS_symlinkat:
      result = qnet_symlinkat(as_path(call.a), as_int(call.b), as_path(call.c));
      return true;
    case SYS_readlinkat:
      result = qnet_readlinkat(as_int(call.a), as_path(call.b), as<char>(call.c), static_cast<std::size_t>(call.d));
      return true;
    case SYS_fchmodat:
      result = qnet_fchmodat(as_int(call.a), as_path(call.b), as_unsigned(call.c), 0);
      return true;
    case kFchmodat2:
      result = qnet_fchmodat(as_int(call.a), as_path(call.b), as_unsigned(call.c), as_int(call.d));
      return true;
    case SYS_fchownat:
      result = qnet_fchownat(as_int(call.a), as_path(call.b), as_unsigned(call.c), as_unsigned(call.d), as_int(call.e));
      return true;
    case SYS_utimensat:
      result = qnet_utimensat(as_int(call.a), as_path(call.b), as<timespec>(call.c), as_int(call.d));
      return true;
    case SYS_truncate:
      result = qnet_truncate(as_path(call.a), call.b);
      return true;
    case SYS_chdir:
      result = qnet_chdir(as_path(call.a));
      return true;
    case SYS_getcwd:
      result = kernel_getcwd(as<char>(call.a), static_cast<std::size_t>(call.b));
      return true;
    case SYS_execve:
      result = qnet_execve(as_path(call.a), as<char*>(call.b), as<char*>(call.c));
      return true;
    case SYS_execveat:
      result = qnet_execveat(as_int(call.a), as_path(call.b), as<char*>(call.c), as<char*>(call.d), as_int(call.e));
      return true;
    default:
      return false;
  }
}

/// Calls that newer machines do not have any more.
bool old_call(const Arguments& call, long& result) {
#if defined(__x86_64__)
  switch (call.number) {
    case SYS_open:
      result = qnet_open(as_path(call.a), as_int(call.b), as_unsigned(call.c));
      return true;
    case SYS_creat:
      result = qnet_creat(as_path(call.a), as_unsigned(call.b));
      return true;
    case SYS_stat:
      result = qnet_stat(as_path(call.a), as<struct stat>(call.b));
      return true;
    case SYS_lstat:
      result = qnet_lstat(as_path(call.a), as<struct stat>(call.b));
      return true;
    case SYS_access:
      result = qnet_access(as_path(call.a), as_int(call.b));
      return true;
    case SYS_mkdir:
      result = qnet_mkdir(as_path(call.a), as_unsigned(call.b));
      return true;
    case SYS_rmdir:
      result = qnet_rmdir(as_path(call.a));
      return true;
    case SYS_unlink:
      result = qnet_unlink(as_path(call.a));
      return true;
    case SYS_rename:
      result = qnet_rename(as_path(call.a), as_path(call.b));
      return true;
    case SYS_renameat:
      result = qnet_renameat(as_int(call.a), as_path(call.b), as_int(call.c), as_path(call.d));
      return true;
    case SYS_link:
      result = qnet_link(as_path(call.a), as_path(call.b));
      return true;
    case SYS_symlink:
      result = qnet_symlink(as_path(call.a), as_path(call.b));
      return true;
    case SYS_readlink:
      result = qnet_readlink(as_path(call.a), as<char>(call.b), static_cast<std::size_t>(call.c));
      return true;
    case SYS_chmod:
      result = qnet_chmod(as_path(call.a), as_unsigned(call.b));
      return true;
    case SYS_chown:
      result = qnet_chown(as_path(call.a), as_unsigned(call.b), as_unsigned(call.c));
      return true;
    case SYS_lchown:
      result = qnet_lchown(as_path(call.a), as_unsigned(call.b), as_unsigned(call.c));
      return true;
    case SYS_mknod:
      result = qnet_mknod(as_path(call.a), as_unsigned(call.b), as_unsigned(call.c));
      return true;
    case SYS_dup2:
      result = qnet_dup2(as_int(call.a), as_int(call.b));
      return true;
    default:
      return false;
  }
#else
  static_cast<void>(call);
  static_cast<void>(result);
  return false;
#endif
}

/// New processes and identities.
bool process_call(const Arguments& call, long& result) {
  switch (call.number) {
#if defined(__x86_64__)
    case SYS_fork:
      result = pass_fork(call);
      return true;
    case SYS_vfork:
      result = qnet_vfork();
      return true;
#endif
    case SYS_clone:
      // Threads and processes that share memory keep what is ours.
      result = (call.a & CLONE_VM) != 0 ? pass(call) : pass_fork(call);
      return true;
    case SYS_umask:
      result = qnet_umask(as_unsigned(call.a));
      return true;
    case SYS_setuid:
    case SYS_setgid:
    case SYS_setreuid:
    case SYS_setregid:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_setgroups:
      result = pass_identity(call);
      return true;
    default:
      return false;
  }
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" long qnet_syscall(long number, long a, long b, long c, long d, long e, long f) {
  const Arguments call{number, a, b, c, d, e, f};
  long result = -1;
  if (!is_started() || number == SYS_futex || number == SYS_gettid) return pass(call);
  if (descriptor_call(call, result) || path_call(call, result) || old_call(call, result) ||
      process_call(call, result)) {
    return result;
  }
  return pass(call);
}
