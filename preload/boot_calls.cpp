// SPDX-License-Identifier: Apache-2.0
#include "preload/boot_calls.hpp"

#include <sys/syscall.h>

#include "preload/libc.hpp"

namespace qnet::preload {
namespace {

/// faccessat2(2) is Linux 5.8; older kernels know the call without flags.
constexpr long kFaccessat2 = 439;

template <class... Arguments>
int finish(long number, Arguments... arguments) {
  return static_cast<int>(finish_system_call(raw_syscall(number, arguments...)));
}

}  // namespace

int boot_open(const char* path, int flags, mode_t mode) {
  return finish(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t boot_preadv(int fd, const struct iovec* pieces, int count, off_t offset) {
  return finish_system_call(raw_syscall(SYS_preadv, fd, pieces, count, offset, 0));
}

ssize_t boot_pwritev(int fd, const struct iovec* pieces, int count, off_t offset) {
  return finish_system_call(raw_syscall(SYS_pwritev, fd, pieces, count, offset, 0));
}

int boot_dup2(int fd, int wanted) {
  // dup3() refuses equal numbers, dup2() only asks whether the descriptor is open.
  if (fd != wanted) return finish(SYS_dup3, fd, wanted, 0);
  return finish(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : fd;
}

int boot_stat(const char* path, struct stat* status) {
  return finish(SYS_newfstatat, AT_FDCWD, path, status, 0);
}
int boot_lstat(const char* path, struct stat* status) {
  return finish(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}
int boot_fstat(int fd, struct stat* status) {
  return finish(SYS_fstat, fd, status);
}
int boot_fstatat(int dirfd, const char* path, struct stat* status, int flags) {
  return finish(SYS_newfstatat, dirfd, path, status, flags);
}

// The version says which struct stat; 64-bit machines have one.
int boot_xstat(int, const char* path, struct stat* status) {
  return boot_stat(path, status);
}
int boot_lxstat(int, const char* path, struct stat* status) {
  return boot_lstat(path, status);
}
int boot_fxstat(int, int fd, struct stat* status) {
  return boot_fstat(fd, status);
}
int boot_fxstatat(int, int dirfd, const char* path, struct stat* status, int flags) {
  return boot_fstatat(dirfd, path, status, flags);
}

int boot_access(const char* path, int mode) {
  return finish(SYS_faccessat, AT_FDCWD, path, mode);
}
int boot_faccessat(int dirfd, const char* path, int mode, int flags) {
  if (flags == 0) return finish(SYS_faccessat, dirfd, path, mode);
  return finish(kFaccessat2, dirfd, path, mode, flags);
}
int boot_eaccess(const char* path, int mode) {
  return boot_faccessat(AT_FDCWD, path, mode, AT_EACCESS);
}

int boot_mkdir(const char* path, mode_t mode) {
  return finish(SYS_mkdirat, AT_FDCWD, path, mode);
}
int boot_rmdir(const char* path) {
  return finish(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}
int boot_unlink(const char* path) {
  return finish(SYS_unlinkat, AT_FDCWD, path, 0);
}
int boot_rename(const char* source, const char* target) {
  return finish(SYS_renameat2, AT_FDCWD, source, AT_FDCWD, target, 0);
}
int boot_renameat(int source_dirfd, const char* source, int target_dirfd, const char* target) {
  return finish(SYS_renameat2, source_dirfd, source, target_dirfd, target, 0);
}
int boot_link(const char* source, const char* target) {
  return finish(SYS_linkat, AT_FDCWD, source, AT_FDCWD, target, 0);
}
int boot_symlink(const char* content, const char* path) {
  return finish(SYS_symlinkat, content, AT_FDCWD, path);
}
int boot_mknod(const char* path, mode_t mode, dev_t device) {
  return finish(SYS_mknodat, AT_FDCWD, path, mode, static_cast<unsigned>(device));
}
int boot_mknodat(int dirfd, const char* path, mode_t mode, dev_t device) {
  return finish(SYS_mknodat, dirfd, path, mode, static_cast<unsigned>(device));
}
int boot_xmknod(int, const char* path, mode_t mode, dev_t* device) {
  return boot_mknod(path, mode, *device);
}
int boot_xmknodat(int, int dirfd, const char* path, mode_t mode, dev_t* device) {
  return boot_mknodat(dirfd, path, mode, *device);
}
int boot_chmod(const char* path, mode_t mode) {
  return finish(SYS_fchmodat, AT_FDCWD, path, mode);
}
int boot_chown(const char* path, uid_t user, gid_t group) {
  return finish(SYS_fchownat, AT_FDCWD, path, user, group, 0);
}
int boot_lchown(const char* path, uid_t user, gid_t group) {
  return finish(SYS_fchownat, AT_FDCWD, path, user, group, AT_SYMLINK_NOFOLLOW);
}
ssize_t boot_readlink(const char* path, char* buffer, size_t room) {
  return finish_system_call(raw_syscall(SYS_readlinkat, AT_FDCWD, path, buffer, room));
}
long boot_syscall(long number, long a, long b, long c, long d, long e, long f) {
  return finish_system_call(raw_syscall(number, a, b, c, d, e, f));
}

}  // namespace qnet::preload
