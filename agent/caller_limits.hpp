// SPDX-License-Identifier: Apache-2.0
//
// caller_limits.hpp: may this user have one more request, or more memory for it, under way here?
//
// A request counts from its arrival until its reply has left: its own bytes and those that the reply may need. The
// totals hold for everybody, the limits per caller for everybody but root. Whoever is over gets EAGAIN; the others do
// not notice. What gives something back (Close, ReleaseLocks) is never refused. One table for the requests of local
// programs, one for those of other nodes.
//
// Threads:  the strand.
// Not here: open files (local_handles.hpp, exec/handle_table.hpp), connections (local_server.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "transport/base/bytes.hpp"
#include "transport/base/result.hpp"
#include "transport/wire/message.hpp"
#include "transport/wire/opcode.hpp"

namespace qnet::agent {

struct CallerLimitsConfig {
  std::size_t caller_requests_max = 4096;
  std::size_t caller_bytes_max = std::size_t{256} << 20;
  std::size_t bytes_max = std::size_t{1} << 30;
};

/// What the reply to a request may need, besides small change.
std::size_t reply_bytes_of(wire::Opcode opcode, ByteView body);

class CallerLimits {
 public:
  /// Users without a request that are remembered, because most come back.
  static constexpr std::size_t kIdleAccountsMax = 256;

  explicit CallerLimits(CallerLimitsConfig config) : config_(config) {}

  /// A request of `user` begins, with that much memory. EAGAIN, but for what gives something back.
  Status begin(std::uint32_t user, wire::Opcode opcode, std::size_t bytes);
  /// It needs more. EAGAIN: it has what it had.
  Status add(std::uint32_t user, std::size_t bytes);
  /// It is over; `bytes` is all that it had.
  void end(std::uint32_t user, std::size_t bytes);

  struct Statistics {
    std::uint64_t requests_refused = 0, bytes_refused = 0;
  };
  std::size_t bytes_held() const { return bytes_; }
  const Statistics& statistics() const { return statistics_; }

 private:
  struct Account {
    std::size_t requests = 0, bytes = 0;
  };

  void hold(Account& account, std::size_t bytes);

  const CallerLimitsConfig config_;
  std::unordered_map<std::uint32_t, Account> accounts_;
  std::size_t bytes_ = 0;
  Statistics statistics_;
};

}  // namespace qnet::agent
