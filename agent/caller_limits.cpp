// SPDX-License-Identifier: Apache-2.0
#include "agent/caller_limits.hpp"

#include <algorithm>

#include "transport/base/check.hpp"
#include "transport/wire/codec.hpp"
#include "transport/wire/dir_ops.hpp"
#include "transport/wire/file_ops.hpp"

namespace qnet::agent {

std::size_t reply_bytes_of(wire::Opcode opcode, ByteView body) {
  if (opcode == wire::Opcode::kOpen) {
    const auto open = wire::decode<wire::OpenRequest>(body);
    return open ? open->contents_bytes_max : 0;
  }
  if (opcode == wire::Opcode::kRead) {
    const auto read = wire::decode<wire::ReadRequest>(body);
    return read ? read->length_bytes : 0;
  }
  if (opcode == wire::Opcode::kReadDirectory) {
    const auto read = wire::decode<wire::ReadDirectoryRequest>(body);
    return read ? read->length_bytes : 0;
  }
  return 0;
}

Status CallerLimits::begin(std::uint32_t user, wire::Opcode opcode, std::size_t bytes) {
  if (opcode == wire::Opcode::kClose || opcode == wire::Opcode::kReleaseLocks) {
    ++accounts_[user].requests;
    hold(accounts_[user], bytes);
    return {};
  }
  const auto found = accounts_.find(user);
  if (user != 0 && found != accounts_.end() && found->second.requests >= config_.caller_requests_max) {
    ++statistics_.requests_refused;
    return fail(EAGAIN, "caller_requests_max");
  }
  ++accounts_[user].requests;
  const Status added = add(user, bytes);
  if (!added) end(user, 0);
  return added;
}

Status CallerLimits::add(std::uint32_t user, std::size_t bytes) {
  Account& account = accounts_[user];
  const bool is_too_much = bytes > config_.bytes_max - std::min(bytes_, config_.bytes_max);
  const std::size_t left = config_.caller_bytes_max - std::min(account.bytes, config_.caller_bytes_max);
  if (is_too_much || (user != 0 && bytes > left)) {
    ++statistics_.bytes_refused;
    return fail(EAGAIN, "memory");
  }
  hold(account, bytes);
  return {};
}

void CallerLimits::hold(Account& account, std::size_t bytes) {
  account.bytes += bytes;
  bytes_ += bytes;
}

void CallerLimits::end(std::uint32_t user, std::size_t bytes) {
  const auto found = accounts_.find(user);
  QNET_CHECK(found != accounts_.end() && found->second.requests > 0 && found->second.bytes >= bytes);
  bytes_ -= bytes;
  found->second.bytes -= bytes;
  if (--found->second.requests == 0 && accounts_.size() > kIdleAccountsMax) accounts_.erase(found);
}

}  // namespace qnet::agent
