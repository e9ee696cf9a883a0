// SPDX-License-Identifier: Apache-2.0
//
// io_calls.cpp: read, write and their positioned and gathered forms, lseek.
#include <limits.h>
#include <pthread.h>

#include "agent/client/brought.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_file.hpp"

extern "C" [[noreturn]] void __chk_fail();

namespace qnet::preload {
namespace {

constexpr std::int64_t kCurrentOffset = wire::ReadRequest::kCurrentOffset;
using Transfer = Result<std::size_t> (*)(const RemoteFd&, std::span<const iovec>, std::int64_t, bool);

/// The common end of every transfer on a descriptor that is remote.
__attribute__((noinline)) ssize_t transfer(Transfer function, const RemoteFd& file, std::span<const iovec> pieces,
                                           std::int64_t offset) {
  ::pthread_testcancel();
  return finish_remote<ssize_t>(function(file, pieces, offset, true));
}

/// EINVAL for what readv(2) refuses before it looks at the file.
bool are_plausible(const iovec* pieces, int count) {
  if (count < 0 || count > IOV_MAX) return false;
  std::size_t sum = 0;
  for (int i = 0; i < count; ++i) {
    if (pieces[i].iov_len > SSIZE_MAX - sum) return false;
    sum += pieces[i].iov_len;
  }
  return true;
}

ssize_t transfer_vector(Transfer function, const RemoteFd& file, const iovec* pieces, int count, std::int64_t offset) {
  if (!are_plausible(pieces, count)) return refuse(EINVAL);
  return transfer(function, file, {pieces, static_cast<std::size_t>(count)}, offset);
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;
namespace brought = qnet::client::brought;

extern "C" ssize_t qnet_read(int fd, void* buffer, size_t count) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) [[likely]] {
    brought::received();
    return libc().read(fd, buffer, count);
  }
  const iovec piece{buffer, count};
  return transfer(read_remote, file, {&piece, 1}, kCurrentOffset);
}

extern "C" ssize_t qnet_write(int fd, const void* buffer, size_t count) {
  if (!may_be_remote(fd)) [[likely]]
    return libc().write(fd, buffer, count);
  RemoteFd file;
  if (!find_remote(fd, file)) return libc().write(fd, buffer, count);
  const iovec piece{const_cast<void*>(buffer), count};
  return transfer(write_remote, file, {&piece, 1}, kCurrentOffset);
}

extern "C" ssize_t qnet_pread(int fd, void* buffer, size_t count, off_t offset) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) [[likely]] {
    brought::received();
    return libc().pread(fd, buffer, count, offset);
  }
  if (offset < 0) return refuse(EINVAL);
  const iovec piece{buffer, count};
  return transfer(read_remote, file, {&piece, 1}, offset);
}

extern "C" ssize_t qnet_pwrite(int fd, const void* buffer, size_t count, off_t offset) {
  if (!may_be_remote(fd)) [[likely]]
    return libc().pwrite(fd, buffer, count, offset);
  RemoteFd file;
  if (!find_remote(fd, file)) return libc().pwrite(fd, buffer, count, offset);
  if (offset < 0) return refuse(EINVAL);
  const iovec piece{const_cast<void*>(buffer), count};
  return transfer(write_remote, file, {&piece, 1}, offset);
}

extern "C" ssize_t qnet_readv(int fd, const struct iovec* pieces, int count) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) {
    brought::received();
    return libc().readv(fd, pieces, count);
  }
  return transfer_vector(read_remote, file, pieces, count, kCurrentOffset);
}

extern "C" ssize_t qnet_writev(int fd, const struct iovec* pieces, int count) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) return libc().writev(fd, pieces, count);
  return transfer_vector(write_remote, file, pieces, count, kCurrentOffset);
}

extern "C" ssize_t qnet_preadv(int fd, const struct iovec* pieces, int count, off_t offset) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) {
    brought::received();
    return libc().preadv(fd, pieces, count, offset);
  }
  if (offset < 0) return refuse(EINVAL);
  return transfer_vector(read_remote, file, pieces, count, offset);
}

extern "C" ssize_t qnet_pwritev(int fd, const struct iovec* pieces, int count, off_t offset) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) return libc().pwritev(fd, pieces, count, offset);
  if (offset < 0) return refuse(EINVAL);
  return transfer_vector(write_remote, file, pieces, count, offset);
}

extern "C" ssize_t qnet___read_chk(int fd, void* buffer, size_t count, size_t room) {
  if (count > room) __chk_fail();
  return qnet_read(fd, buffer, count);
}

extern "C" ssize_t qnet___pread_chk(int fd, void* buffer, size_t count, off_t offset, size_t room) {
  if (count > room) __chk_fail();
  return qnet_pread(fd, buffer, count, offset);
}

extern "C" off_t qnet_lseek(int fd, off_t offset, int whence) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) return libc().lseek(fd, offset, whence);
  if (const auto brought = brought::seek(file.handle, offset, whence)) return *brought;
  const qnet::wire::SeekRequest request{offset, static_cast<std::uint32_t>(whence)};
  const auto reply = ask_handle<qnet::wire::SeekReply>(file, qnet::wire::Opcode::kSeek, request);
  if (!reply) return refuse(reply.error().code);
  return reply->offset;
}
