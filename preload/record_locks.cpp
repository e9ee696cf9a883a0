// SPDX-License-Identifier: Apache-2.0
#include "preload/record_locks.hpp"

#include "preload/remote_call.hpp"

namespace qnet::preload {

int lock_record(const RemoteFd& file, int command, struct flock* lock) {
  if (lock == nullptr) return refuse(EFAULT);
  const bool is_ofd = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
  const bool is_question = command == F_GETLK || command == F_OFD_GETLK;
  const bool waits = command == F_SETLKW || command == F_OFD_SETLKW;
  if (is_ofd && lock->l_pid != 0) return refuse(EINVAL);

  wire::LockRangeRequest request;
  request.command = static_cast<std::uint8_t>(is_question ? wire::LockCommand::kGet
                                              : waits     ? wire::LockCommand::kSetWait
                                                          : wire::LockCommand::kSet);
  request.is_ofd = is_ofd ? 1 : 0;
  request.type = static_cast<std::uint16_t>(lock->l_type);
  request.whence = static_cast<std::uint16_t>(lock->l_whence);
  request.start = lock->l_start;
  request.length = lock->l_len;
  // Before the request: another thread may close the file while this one is being locked.
  if (!is_ofd && !is_question) state().may_hold_record_locks.store(true, std::memory_order_relaxed);
  const auto reply = ask_handle<wire::LockRangeReply>(file, wire::Opcode::kLockRange, request);
  if (!reply) return refuse(reply.error().code);
  if (!is_question) return 0;
  lock->l_type = static_cast<short>(reply->type);
  if (lock->l_type == F_UNLCK) return 0;
  lock->l_whence = static_cast<short>(reply->whence);
  lock->l_start = reply->start;
  lock->l_len = reply->length;
  lock->l_pid = is_ofd ? -1 : reply->process;
  return 0;
}

}  // namespace qnet::preload
