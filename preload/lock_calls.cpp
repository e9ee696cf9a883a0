// SPDX-License-Identifier: Apache-2.0
//
// lock_calls.cpp: how are remote files locked? (flock, lockf; fcntl locks are in fd_calls.cpp)
//
// The owner's kernel holds the locks, so nodes see each other's. The kernel would lock the socket behind a remote
// descriptor and mean nothing by it.
#include <fcntl.h>
#include <unistd.h>

#include "agent/client/brought.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

using namespace qnet::preload;

extern "C" int qnet_flock(int fd, int operation) {
  qnet::client::brought::received();
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().flock(fd, operation);
  if (found.kind == qnet::wire::HandleKind::kPath) return refuse(EBADF);
  return answer(ask_handle<qnet::wire::LockWholeReply>(
      found, qnet::wire::Opcode::kLockWhole,
      qnet::wire::LockWholeRequest{.operation = static_cast<std::uint32_t>(operation)}));
}

extern "C" int qnet_lockf(int fd, int command, off_t length) {
  qnet::client::brought::received();
  if (!is_remote(fd)) return libc().lockf(fd, command, length);
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_CUR;
  lock.l_len = length;
  switch (command) {
    case F_LOCK:
      return qnet_fcntl(fd, F_SETLKW, reinterpret_cast<long>(&lock));
    case F_TLOCK:
      return qnet_fcntl(fd, F_SETLK, reinterpret_cast<long>(&lock));
    case F_ULOCK:
      lock.l_type = F_UNLCK;
      return qnet_fcntl(fd, F_SETLK, reinterpret_cast<long>(&lock));
    case F_TEST:
      // As glibc asks: a read lock, which fits wherever lockf() would be allowed to read.
      lock.l_type = F_RDLCK;
      if (qnet_fcntl(fd, F_GETLK, reinterpret_cast<long>(&lock)) < 0) return -1;
      return lock.l_type == F_UNLCK ? 0 : refuse(EACCES);
    default:
      return refuse(EINVAL);
  }
}
