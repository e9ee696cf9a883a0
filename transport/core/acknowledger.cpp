// SPDX-License-Identifier: Apache-2.0
#include "transport/core/acknowledger.hpp"

#include <algorithm>
#include <limits>

namespace qnet::core {

void Acknowledger::on_received(const wire::PacketHeader& header, std::size_t bytes, std::optional<Duration> hold_back,
                               std::size_t arrival_path, Instant now) {
  const std::uint64_t expected = ranges_.largest() + 1;
  ranges_.insert(header.number);
  if (header.number >= expected) {
    largest_timestamp_us_ = header.timestamp_us;
    largest_at_ = now;
    arrival_path_ = arrival_path;
  }
  if (header.number != expected) prompt_ = kPromptAfterGap;
  if (!hold_back) return;

  bytes_unanswered_ += bytes;
  Instant due = now + *hold_back;
  if (prompt_ > 0) {
    --prompt_;
    due = now;
  }
  if ((header.flags & wire::packet_flags::kAckNow) != 0 || bytes_unanswered_ >= kBytesUnansweredMax) due = now;
  due_at_ = is_pending_ ? std::min(due_at_, due) : due;
  is_pending_ = true;
}

wire::AckFrame Acknowledger::frame(std::uint8_t path, Instant now) const {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint16_t>::max();
  wire::AckFrame frame;
  ranges_.fill(frame);
  frame.path = path;
  frame.echo_us = largest_timestamp_us_;
  const std::int64_t held_us = std::chrono::duration_cast<std::chrono::microseconds>(now - largest_at_).count();
  frame.delay_us = static_cast<std::uint16_t>(std::clamp<std::int64_t>(held_us, 0, kMost));
  return frame;
}

void Acknowledger::on_frame_sent() {
  is_pending_ = false;
  bytes_unanswered_ = 0;
}

}  // namespace qnet::core
