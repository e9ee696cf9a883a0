// SPDX-License-Identifier: Apache-2.0
//
// bulk_calls.cpp: what do calls say that move bytes inside the kernel? (sendfile, copy_file_range, splice, preadv2 …)
//
// The kernel cannot see a remote file's bytes, so these answer what makes programs fall back to read() and write():
// EINVAL where a file system without the call would, EXDEV between file systems.
#include <fcntl.h>
#include <sys/uio.h>

#include "agent/client/brought.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

using namespace qnet::preload;

extern "C" ssize_t qnet_sendfile(int out, int in, off_t* offset, size_t count) {
  if (is_remote(in) || is_remote(out)) return refuse(EINVAL);
  return libc().sendfile(out, in, offset, count);
}

extern "C" ssize_t qnet_copy_file_range(int in, off_t* in_offset, int out, off_t* out_offset, size_t count,
                                        unsigned flags) {
  if (is_remote(in) || is_remote(out)) return refuse(flags != 0 ? EINVAL : EXDEV);
  return libc().copy_file_range(in, in_offset, out, out_offset, count, flags);
}

extern "C" ssize_t qnet_splice(int in, off_t* in_offset, int out, off_t* out_offset, size_t count, unsigned flags) {
  if (is_remote(in) || is_remote(out)) return refuse(EINVAL);
  return libc().splice(in, in_offset, out, out_offset, count, flags);
}

extern "C" ssize_t qnet_tee(int in, int out, size_t count, unsigned flags) {
  if (is_remote(in) || is_remote(out)) return refuse(EINVAL);
  return libc().tee(in, out, count, flags);
}

extern "C" ssize_t qnet_vmsplice(int fd, const struct iovec* pieces, size_t count, unsigned flags) {
  // The kernel wants a pipe here and has no other answer for what is none.
  return is_remote(fd) ? refuse(EBADF) : libc().vmsplice(fd, pieces, count, flags);
}

extern "C" ssize_t qnet_preadv2(int fd, const struct iovec* pieces, int count, off_t offset, int flags) {
  if (!is_remote(fd)) {
    qnet::client::brought::received();
    return libc().preadv2(fd, pieces, count, offset, flags);
  }
  if (flags != 0) return refuse(EOPNOTSUPP);
  return offset == -1 ? qnet_readv(fd, pieces, count) : qnet_preadv(fd, pieces, count, offset);
}

extern "C" ssize_t qnet_pwritev2(int fd, const struct iovec* pieces, int count, off_t offset, int flags) {
  if (!is_remote(fd)) return libc().pwritev2(fd, pieces, count, offset, flags);
  if (flags != 0) return refuse(EOPNOTSUPP);
  return offset == -1 ? qnet_writev(fd, pieces, count) : qnet_pwritev(fd, pieces, count, offset);
}
