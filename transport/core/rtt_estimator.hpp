// SPDX-License-Identifier: Apache-2.0
//
// rtt_estimator.hpp: how long may an acknowledgement take?
//
// Smoothed round trip and its variation after RFC 6298, the smallest of the last 10 to 20 s, and the two times that
// follow from them: when a packet that was overtaken counts as lost, and when silence asks for a probe.
#pragma once

#include <chrono>

#include "transport/base/clock.hpp"

namespace qnet::core {

/// How long a node may hold an acknowledgement back, hoping for something that carries it.
inline constexpr Duration kAckDelayRequest = std::chrono::microseconds(200);  // the reply is on its way
inline constexpr Duration kAckDelayOther = std::chrono::milliseconds(1);      // the next request may come

class RttEstimator {
 public:
  static constexpr Duration kRoundTripAtFirst = std::chrono::milliseconds(50);
  static constexpr Duration kVariationFloor = std::chrono::milliseconds(2);  // scheduling noise of an untuned host
  static constexpr Duration kOvertakenFloor = std::chrono::microseconds(200);
  static constexpr Duration kMinimumWindow = std::chrono::seconds(10);
  static constexpr Duration kProbeTimeoutMax = std::chrono::milliseconds(200);

  /// An answer that comes much later than any before tells of a node that stood still, not of the path: it counts as
  /// this many probe timeouts, or as kLateMax if that is more.
  static constexpr int kGrowthMax = 2;
  static constexpr Duration kLateMax = std::chrono::milliseconds(100);

  /// `held_back` is what the peer says that it waited before it answered.
  void on_sample(Duration round_trip, Duration held_back, Instant now);

  bool has_sample() const { return has_sample_; }
  Duration smoothed() const { return smoothed_; }
  Duration variation() const { return variation_; }
  Duration minimum() const;
  /// A packet older than this, with a later one acknowledged, is lost.
  Duration overtaken_after() const;
  /// Silence after which a probe goes out; doubles with every probe that stays unanswered.
  Duration probe_timeout(unsigned unanswered) const;

 private:
  bool has_sample_ = false;
  Duration smoothed_ = kRoundTripAtFirst;
  Duration variation_ = kRoundTripAtFirst / 2;
  Duration latest_ = kRoundTripAtFirst;
  Duration minimum_now_ = Duration::max();     // of the window that is running
  Duration minimum_before_ = Duration::max();  // of the window before
  Instant window_since_{};
};

}  // namespace qnet::core
