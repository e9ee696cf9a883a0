// SPDX-License-Identifier: Apache-2.0
//
// credit.hpp: how much may the other side make us hold?
//
// A message is charged whole, when its first byte leaves: what has begun can always be finished, so credit never
// deadlocks. The limits are absolute and only grow; a late or repeated one changes nothing. Small messages need not
// wait: up to kUnscheduledMessageBytes they may overrun the limit by the overrun, which the receiver has in mind.
//
// Held memory per connection is therefore at most its credit + kConnectionOverrunBytes, and per session likewise.
// Messages that overtook others take a place besides, because empty ones are charged nothing: kPlacesMax per session.
#pragma once

#include <algorithm>
#include <cstdint>

namespace qnet::core {

inline constexpr std::size_t kUnscheduledMessageBytes = 64 << 10;
inline constexpr std::uint64_t kConnectionOverrunBytes = 1 << 20;
inline constexpr std::uint64_t kSessionOverrunBytes = 8 << 20;
inline constexpr std::size_t kPlacesMax = 65536;

/// Sending side.
class SendCredit {
 public:
  SendCredit() = default;
  SendCredit(std::uint64_t limit_bytes, std::uint64_t overrun_bytes) : limit_(limit_bytes), overrun_(overrun_bytes) {}

  bool may_start(std::size_t message_bytes) const {
    const std::uint64_t allowed = message_bytes <= kUnscheduledMessageBytes ? limit_ + overrun_ : limit_;
    return charged_ + message_bytes <= allowed;
  }
  void charge(std::size_t message_bytes) { charged_ += message_bytes; }
  /// Returns true if there is more now.
  bool raise(std::uint64_t limit_bytes) {
    if (limit_bytes <= limit_) return false;
    limit_ = limit_bytes;
    return true;
  }

 private:
  std::uint64_t charged_ = 0;
  std::uint64_t limit_ = 0;
  std::uint64_t overrun_ = 0;
};

/// Receiving side.
class ReceiveCredit {
 public:
  ReceiveCredit() = default;
  ReceiveCredit(std::uint64_t window_bytes, std::uint64_t overrun_bytes)
      : window_(window_bytes), overrun_(overrun_bytes), granted_(window_bytes) {}

  /// False if the peer begins more than it may.
  bool begin(std::size_t message_bytes) {
    if (begun_ + message_bytes > granted_ + overrun_) return false;
    begun_ += message_bytes;
    return true;
  }
  void deliver(std::size_t message_bytes) { delivered_ += message_bytes; }
  bool has_places(std::size_t count) const { return places_ + count <= kPlacesMax; }
  void take_places(std::size_t count) { places_ += count; }
  void give_places(std::size_t count) { places_ -= count; }
  /// Enough has been delivered to be worth a frame.
  bool wants_to_grant() const { return delivered_ + window_ >= granted_ + window_ / 4; }
  std::uint64_t grant() {
    granted_ = std::max(granted_, delivered_ + window_);
    return granted_;
  }
  std::uint64_t held_bytes() const { return begun_ - delivered_; }

 private:
  std::uint64_t window_ = 0;
  std::uint64_t overrun_ = 0;
  std::uint64_t granted_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t delivered_ = 0;
  std::size_t places_ = 0;
};

}  // namespace qnet::core
