// SPDX-License-Identifier: Apache-2.0
//
// congestion.hpp: how much may be on its way on this path at once?
//
// Measures what the path delivers (largest rate of the last rounds) and how long it takes without queues (smallest
// round trip) and allows twice their product and a queue of kQueueSeconds. From the start that doubles each round. What
// was sent while we had nothing more to send tells only that the path is not slower. Loss alone changes nothing: on a
// private segment it is damage, not congestion. Loss that comes with a growing queue, or that is heavy, cuts the
// allowance.
//
// Source: transport.md 3.7; delivery-rate samples as in draft-cheng-iccrg-delivery-rate-estimation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "transport/base/clock.hpp"
#include "transport/core/rtt_estimator.hpp"

namespace qnet::core {

class Congestion {
 public:
  static constexpr std::size_t kCapAtFirst = 64 << 10;  // and the longest queue
  static constexpr double kQueueSeconds = 4e-3;         // outlasts a sender that gets no CPU for a moment
  static constexpr std::size_t kCapFloor = 6 << 10;
  static constexpr std::size_t kSmallExtraBytes = 16 << 10;
  /// A path faster than this has room for a whole message, and waiting for acknowledgements costs more than its queue.
  static constexpr double kFastBytesPerSecond = 250e6;
  static constexpr std::size_t kCapFast = 1 << 20;
  static constexpr std::size_t kCapMax = 16 << 20;
  static constexpr double kGainFloor = 0.25;

  /// What a packet remembers of the moment it was sent, for the rate sample of its acknowledgement.
  struct Stamp {
    std::uint64_t delivered_bytes = 0;
    Instant delivered_at{};
    Instant flight_since{};
    bool is_limited = false;  // by us, not by the path
  };

  Stamp on_sent(std::size_t bytes, Instant now);
  void on_acked(std::size_t bytes) {
    in_flight_bytes_ -= bytes;
    delivered_bytes_ += bytes;
    epoch_acked_bytes_ += bytes;
  }
  void on_lost(std::size_t bytes) {
    in_flight_bytes_ -= bytes;
    epoch_lost_bytes_ += bytes;
  }
  /// It does not count against us: the path was given up, not congested.
  void on_abandoned(std::size_t bytes) { in_flight_bytes_ -= bytes; }
  /// Once per acknowledgement, after on_acked for all it covers; `newest` is of the latest packet among them.
  void on_sample(const Stamp& newest, Instant newest_sent_at, const RttEstimator& rtt, Instant now);

  /// There is room, and nothing to send.
  void on_nothing_to_send() {
    if (can_send()) limited_until_bytes_ = delivered_bytes_ + in_flight_bytes_ + 1;
  }

  bool can_send() const { return in_flight_bytes_ < cap_bytes_; }
  bool can_send_small() const { return in_flight_bytes_ < cap_bytes_ + kSmallExtraBytes; }
  std::size_t in_flight_bytes() const { return in_flight_bytes_; }
  std::size_t cap_bytes() const { return cap_bytes_; }
  /// Bytes per second; 0 while unknown.
  /// The rate is the path's, not only what we wanted of it.
  bool is_measured() const { return is_measured_; }
  double rate() const { return rate_now_ > rate_before_ ? rate_now_ : rate_before_; }

 private:
  void judge_epoch(const RttEstimator& rtt, Instant now);

  std::size_t in_flight_bytes_ = 0;
  std::size_t cap_bytes_ = kCapAtFirst;
  std::uint64_t delivered_bytes_ = 0;
  Instant delivered_at_{};
  Instant flight_since_{};  // when the packet was sent that was acknowledged last
  double rate_now_ = 0;     // maximum of the running window, and of the one before
  double rate_before_ = 0;
  Instant window_since_{};
  bool is_measured_ = false;
  std::uint64_t limited_until_bytes_ = 1;  // what is sent below that is limited by us
  double gain_ = 1.0;
  Instant epoch_since_{};
  std::uint64_t epoch_acked_bytes_ = 0;
  std::uint64_t epoch_lost_bytes_ = 0;
};

}  // namespace qnet::core
