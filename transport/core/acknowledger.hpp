// SPDX-License-Identifier: Apache-2.0
//
// acknowledger.hpp: which packets of one path of the peer have arrived, and when do we say so?
//
// An acknowledgement rides on whatever goes out next. Alone it travels only when nothing did for kAckDelayRequest or
// kAckDelayOther, at once when the sender waits for it, when packets are missing, and every kBytesUnansweredMax of
// bulk.
#pragma once

#include <cstdint>
#include <optional>

#include "transport/base/clock.hpp"
#include "transport/core/ack_ranges.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core {

class Acknowledger {
 public:
  static constexpr std::size_t kBytesUnansweredMax = 128 << 10;  // two batches
  static constexpr unsigned kPromptAfterGap = 4;                 // so that the sender sees the loss as soon as can be

  /// A sender that has had no answer for a while is ahead of what we know, but not by more than this.
  static constexpr std::uint64_t kAheadMax = 1 << 20;

  /// False: nobody who counts his packets could have come so far.
  bool is_plausible(std::uint64_t number) const { return number != 0 && number <= ranges_.largest() + kAheadMax; }
  bool is_duplicate(std::uint64_t number) const { return ranges_.contains(number); }
  /// `hold_back` how long the answer may wait; nothing if the packet need not be answered.
  void on_received(const wire::PacketHeader& header, std::size_t bytes, std::optional<Duration> hold_back,
                   std::size_t arrival_path, Instant now);

  /// Something that must be acknowledged has not been.
  bool is_pending() const { return is_pending_; }
  bool is_due(Instant now) const { return is_pending_ && now >= due_at_; }
  std::optional<Instant> due_at() const { return is_pending_ ? std::optional(due_at_) : std::nullopt; }
  bool has_heard() const { return !ranges_.empty(); }
  /// Our path on which the newest packet came; an answer goes back there.
  std::size_t arrival_path() const { return arrival_path_; }

  wire::AckFrame frame(std::uint8_t path, Instant now) const;
  void on_frame_sent();

 private:
  AckRanges ranges_;
  std::size_t arrival_path_ = 0;
  std::uint32_t largest_timestamp_us_ = 0;
  Instant largest_at_{};
  bool is_pending_ = false;
  Instant due_at_{};
  std::size_t bytes_unanswered_ = 0;
  unsigned prompt_ = 0;
};

}  // namespace qnet::core
