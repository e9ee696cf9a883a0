// SPDX-License-Identifier: Apache-2.0
//
// boot_calls.hpp: what do calls do before the constructor has run, where the kernel's call has other parameters?
//
// The rows of kind Boot in calls.def. Each sets errno and returns what libc's function would; they also serve where
// libc lacks the function (stat before glibc 2.33).
#pragma once

#include "preload/calls.hpp"

namespace qnet::preload {

int boot_open(const char* path, int flags, mode_t mode);
ssize_t boot_preadv(int fd, const struct iovec* pieces, int count, off_t offset);
ssize_t boot_pwritev(int fd, const struct iovec* pieces, int count, off_t offset);
int boot_dup2(int fd, int wanted);
int boot_stat(const char* path, struct stat* status);
int boot_lstat(const char* path, struct stat* status);
int boot_fstat(int fd, struct stat* status);
int boot_fstatat(int dirfd, const char* path, struct stat* status, int flags);
int boot_xstat(int version, const char* path, struct stat* status);
int boot_lxstat(int version, const char* path, struct stat* status);
int boot_fxstat(int version, int fd, struct stat* status);
int boot_fxstatat(int version, int dirfd, const char* path, struct stat* status, int flags);
int boot_access(const char* path, int mode);
int boot_faccessat(int dirfd, const char* path, int mode, int flags);
int boot_eaccess(const char* path, int mode);
int boot_mkdir(const char* path, mode_t mode);
int boot_rmdir(const char* path);
int boot_unlink(const char* path);
int boot_rename(const char* source, const char* target);
int boot_renameat(int source_dirfd, const char* source, int target_dirfd, const char* target);
int boot_link(const char* source, const char* target);
int boot_symlink(const char* content, const char* path);
int boot_mknod(const char* path, mode_t mode, dev_t device);
int boot_mknodat(int dirfd, const char* path, mode_t mode, dev_t device);
int boot_xmknod(int version, const char* path, mode_t mode, dev_t* device);
int boot_xmknodat(int version, int dirfd, const char* path, mode_t mode, dev_t* device);
int boot_chmod(const char* path, mode_t mode);
int boot_chown(const char* path, uid_t user, gid_t group);
int boot_lchown(const char* path, uid_t user, gid_t group);
ssize_t boot_readlink(const char* path, char* buffer, size_t room);
long boot_syscall(long number, long a, long b, long c, long d, long e, long f);
void* boot_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset);  // map_calls.cpp

}  // namespace qnet::preload
