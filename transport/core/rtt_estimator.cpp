// SPDX-License-Identifier: Apache-2.0
#include "transport/core/rtt_estimator.hpp"

#include <algorithm>

namespace qnet::core {

void RttEstimator::on_sample(Duration round_trip, Duration held_back, Instant now) {
  if (round_trip <= Duration::zero()) round_trip = Duration(1);
  if (!has_sample_ || now - window_since_ > kMinimumWindow) {
    minimum_before_ = minimum_now_;
    minimum_now_ = Duration::max();
    window_since_ = now;
  }
  minimum_now_ = std::min(minimum_now_, round_trip);  // Before the correction: a peer cannot talk it below the truth.
  if (round_trip - held_back >= minimum()) round_trip -= held_back;
  round_trip = std::min(round_trip, has_sample_ ? std::max(kGrowthMax * probe_timeout(0), kLateMax) : kProbeTimeoutMax);
  latest_ = round_trip;
  if (!has_sample_) {
    has_sample_ = true;
    smoothed_ = round_trip;
    variation_ = round_trip / 2;
    return;
  }
  const Duration error = smoothed_ > round_trip ? smoothed_ - round_trip : round_trip - smoothed_;
  variation_ += (error - variation_) / 4;
  smoothed_ += (round_trip - smoothed_) / 8;
}

Duration RttEstimator::minimum() const {
  const Duration least = std::min(minimum_now_, minimum_before_);
  return least == Duration::max() ? smoothed_ : least;
}

Duration RttEstimator::overtaken_after() const {
  return std::max(std::max(smoothed_, latest_) * 9 / 8, kOvertakenFloor);
}

Duration RttEstimator::probe_timeout(unsigned unanswered) const {
  const Duration base = smoothed_ + std::max(4 * variation_, kVariationFloor) + kAckDelayOther;
  const unsigned doublings = std::min(unanswered, 10u);
  const Duration ceiling = std::max(base, kProbeTimeoutMax);
  return std::min(base * (1 << doublings), ceiling);
}

}  // namespace qnet::core
