// SPDX-License-Identifier: Apache-2.0
//
// receive_queue.hpp: what arrived in one stream, in which order, was it seen before?
//
// Takes pieces in any order and gives whole messages, each once, in the order in which they were sent. Memory for a
// message is taken when its first piece comes and only within the credit that was granted.
#pragma once

#include <cstdint>
#include <optional>

#include "transport/base/buffer.hpp"
#include "transport/core/credit.hpp"
#include "transport/core/interval_set.hpp"
#include "transport/core/ring_queue.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core {

class ReceiveQueue {
 public:
  ReceiveQueue() = default;
  explicit ReceiveQueue(ReceiveCredit credit) : credit_(credit) {}

  /// Holes in one message; an honest sender makes at most one per packet of it.
  static constexpr std::size_t kHolesMax = 4096;

  enum class Verdict { kNew, kDuplicate, kViolation };
  /// kViolation: beyond the credit, the window, the places or the holes, or not the message that it was before. Nothing
  /// changes then.
  Verdict on_piece(const wire::DataFrame& piece, ReceiveCredit& session);

  struct Delivered {
    Buffer body;
    Priority priority = 0;
  };
  bool has_next() const { return !ahead_.empty() && ahead_[0].is_whole; }
  /// The next message in order, if it is whole.
  std::optional<Delivered> pop(ReceiveCredit& session);

  /// How many messages have been popped, modulo 2^32.
  std::uint32_t next_message() const { return next_; }
  ReceiveCredit& credit() { return credit_; }

 private:
  struct Assembly {
    Buffer body;
    std::uint32_t total = 0;
    std::uint32_t have_bytes = 0;
    Priority priority = 0;
    bool is_begun = false;
    bool is_whole = false;
    IntervalSet<std::uint32_t> have;
  };

  RingQueue<Assembly> ahead_;  // [0] is message next_
  std::uint32_t next_ = 0;
  std::size_t places_ = 0;  // taken from the session
  ReceiveCredit credit_;
};

}  // namespace qnet::core
