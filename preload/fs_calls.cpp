// SPDX-License-Identifier: Apache-2.0
//
// fs_calls.cpp: what is said about the file system below a remote file, and how is it told to keep data?
// (statfs, statvfs, pathconf, fsync and their families, allocation, advice)
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

namespace qnet::preload {
namespace {

void to_statfs(const wire::GetFileSystemReply& reply, struct statfs& status) {
  status = {};
  status.f_type = static_cast<__fsword_t>(reply.type);
  status.f_bsize = static_cast<__fsword_t>(reply.block_size);
  status.f_blocks = reply.blocks;
  status.f_bfree = reply.blocks_free;
  status.f_bavail = reply.blocks_available;
  status.f_files = reply.files;
  status.f_ffree = reply.files_free;
  memcpy(&status.f_fsid, &reply.id, sizeof(status.f_fsid));
  status.f_namelen = static_cast<__fsword_t>(reply.name_bytes_max);
  status.f_frsize = static_cast<__fsword_t>(reply.fragment_size);
  status.f_flags = static_cast<__fsword_t>(reply.flags);
}

void to_statvfs(const wire::GetFileSystemReply& reply, struct statvfs& status) {
  constexpr std::uint64_t kFlagsAreValid = 0x20;  // ST_VALID, the kernel's own
  status = {};
  status.f_bsize = reply.block_size;
  status.f_frsize = reply.fragment_size != 0 ? reply.fragment_size : reply.block_size;
  status.f_blocks = reply.blocks;
  status.f_bfree = reply.blocks_free;
  status.f_bavail = reply.blocks_available;
  status.f_files = reply.files;
  status.f_ffree = reply.files_free;
  status.f_favail = reply.files_free;
  status.f_fsid = reply.id;
  status.f_flag = reply.flags & ~kFlagsAreValid;
  status.f_namemax = reply.name_bytes_max;
}

/// statfs(2) or statvfs(3) of a path, of a remote descriptor; `convert` fills the caller's structure.
template <class Local, class Convert>
int describe_path(const char* path, Local local, Convert convert) {
  return by_path(
      AT_FDCWD, path, LastLink::kFollow, local, [&](const Routed& routed, client::Exchange& exchange) -> Status {
        const auto reply = ask_path<wire::GetFileSystemReply>(
            routed, wire::Opcode::kGetFileSystem, wire::GetFileSystemRequest{.path = routed.place.path}, exchange);
        if (!reply) return fail(reply.error());
        convert(*reply);
        return {};
      });
}
template <class Convert>
int describe_handle(const RemoteFd& found, Convert convert) {
  const auto reply =
      ask_handle<wire::GetFileSystemReply>(found, wire::Opcode::kGetFileSystem, wire::GetFileSystemRequest{});
  if (reply) convert(*reply);
  return answer(reply);
}

int sync_handle(const RemoteFd& found, wire::SyncKind kind, off_t offset = 0, off_t length = 0, unsigned flags = 0) {
  if (found.kind == wire::HandleKind::kPath) return refuse(EBADF);
  const wire::SyncRequest request{
      .kind = static_cast<std::uint8_t>(kind), .offset = offset, .length = length, .flags = flags};
  return answer(ask_handle<wire::SyncReply>(found, wire::Opcode::kSync, request));
}

Status allocate(const RemoteFd& found, int mode, off_t offset, off_t length) {
  if (found.kind == wire::HandleKind::kPath) return fail(EBADF, "fallocate");
  const wire::AllocateRequest request{.mode = static_cast<std::uint32_t>(mode), .offset = offset, .length = length};
  const auto reply = ask_handle<wire::AllocateReply>(found, wire::Opcode::kAllocate, request);
  if (!reply) return fail(reply.error());
  return {};
}

/// posix_fallocate(3) where the owner's file system cannot allocate: touches one byte of every block, as libc does.
/// Returns the error number.
int touch_blocks(const RemoteFd& found, off_t offset, off_t length) {
  struct stat status;
  if (qnet_fstat(found.fd, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return S_ISFIFO(status.st_mode) ? ESPIPE : ENODEV;
  const off_t block = status.st_blksize > 0 && status.st_blksize <= 4096 ? status.st_blksize : 4096;
  const off_t end = offset + length;
  for (off_t at = offset + (length - 1) % block; at < end; at += block) {
    char byte = 0;
    if (at < status.st_size) {
      const ssize_t count = qnet_pread(found.fd, &byte, 1, at);
      if (count < 0) return errno;
      if (count == 1 && byte != 0) continue;
    }
    byte = 0;
    if (qnet_pwrite(found.fd, &byte, 1, at) != 1) return errno;
  }
  return 0;
}

bool is_known_advice(int advice) {
  return advice >= POSIX_FADV_NORMAL && advice <= POSIX_FADV_NOREUSE;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;
namespace wire = qnet::wire;

extern "C" int qnet_statfs(const char* path, struct statfs* status) {
  return describe_path(
      path, [=](int, const char* local_path) { return libc().statfs(local_path, status); },
      [=](const wire::GetFileSystemReply& reply) { to_statfs(reply, *status); });
}

extern "C" int qnet_fstatfs(int fd, struct statfs* status) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().fstatfs(fd, status);
  return describe_handle(found, [&](const wire::GetFileSystemReply& reply) {
    to_statfs(reply, *status);
    // Programs ask this way whether the kernel can tell them of changes (inotify in tail -f); it cannot.
    if (found.is_file()) status->f_type = FUSE_SUPER_MAGIC;
  });
}

extern "C" int qnet_statvfs(const char* path, struct statvfs* status) {
  return describe_path(
      path, [=](int, const char* local_path) { return libc().statvfs(local_path, status); },
      [=](const wire::GetFileSystemReply& reply) { to_statvfs(reply, *status); });
}

extern "C" int qnet_fstatvfs(int fd, struct statvfs* status) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().fstatvfs(fd, status);
  return describe_handle(found, [=](const wire::GetFileSystemReply& reply) { to_statvfs(reply, *status); });
}

extern "C" long qnet_pathconf(const char* path, int name) {
  // -1 without an error means "no limit".
  const int saved = errno;
  errno = 0;
  const long limit = by_path(
      AT_FDCWD, path, LastLink::kFollow, [=](int, const char* local_path) { return libc().pathconf(local_path, name); },
      [=](const Routed& routed, qnet::client::Exchange& exchange) -> qnet::Result<long> {
        const auto reply = ask_path<wire::GetPathLimitReply>(
            routed, wire::Opcode::kGetPathLimit,
            wire::GetPathLimitRequest{.name = static_cast<std::uint32_t>(name), .path = routed.place.path}, exchange);
        if (!reply) return qnet::fail(reply.error());
        return reply->value;
      });
  if (limit != -1 || errno == 0) errno = saved;
  return limit;
}

extern "C" long qnet_fpathconf(int fd, int name) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().fpathconf(fd, name);
  const auto reply = ask_handle<wire::GetPathLimitReply>(
      found, wire::Opcode::kGetPathLimit, wire::GetPathLimitRequest{.name = static_cast<std::uint32_t>(name)});
  return reply ? reply->value : answer(reply);
}

extern "C" int qnet_fsync(int fd) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().fsync(fd);
  return sync_handle(found, wire::SyncKind::kAll);
}

extern "C" int qnet_fdatasync(int fd) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().fdatasync(fd);
  return sync_handle(found, wire::SyncKind::kData);
}

extern "C" int qnet_syncfs(int fd) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().syncfs(fd);
  return sync_handle(found, wire::SyncKind::kFileSystem);
}

extern "C" int qnet_sync_file_range(int fd, off_t offset, off_t length, unsigned flags) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().sync_file_range(fd, offset, length, flags);
  return sync_handle(found, wire::SyncKind::kRange, offset, length, flags);
}

extern "C" int qnet_fallocate(int fd, int mode, off_t offset, off_t length) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().fallocate(fd, mode, offset, length);
  return answer(allocate(found, mode, offset, length));
}

extern "C" int qnet_posix_fallocate(int fd, off_t offset, off_t length) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().posix_fallocate(fd, offset, length);
  const KeepErrno keep;
  const qnet::Status done = allocate(found, 0, offset, length);
  if (done || done.error().code != EOPNOTSUPP) return answer_number(done);
  return touch_blocks(found, offset, length);
}

extern "C" int qnet_posix_fadvise(int fd, off_t offset, off_t length, int advice) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().posix_fadvise(fd, offset, length, advice);
  if (found.kind == wire::HandleKind::kPath) return EBADF;
  if (found.kind == wire::HandleKind::kStream) return ESPIPE;
  if (!is_known_advice(advice) || length < 0) return EINVAL;
  // How the file will be read concerns the reader's side; what shall be in memory concerns the owner.
  if (advice != POSIX_FADV_WILLNEED && advice != POSIX_FADV_DONTNEED) return 0;
  const wire::AdviseRequest request{.offset = offset, .length = length, .advice = static_cast<std::uint32_t>(advice)};
  return answer_number(ask_handle<wire::AdviseReply>(found, wire::Opcode::kAdvise, request));
}

extern "C" ssize_t qnet_readahead(int fd, off_t offset, size_t count) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().readahead(fd, offset, count);
  if (found.kind == wire::HandleKind::kPath) return refuse(EBADF);
  if (!found.is_file()) return refuse(EINVAL);
  const wire::AdviseRequest request{
      .offset = offset, .length = static_cast<std::int64_t>(count), .advice = POSIX_FADV_WILLNEED};
  return answer(ask_handle<wire::AdviseReply>(found, wire::Opcode::kAdvise, request));
}
