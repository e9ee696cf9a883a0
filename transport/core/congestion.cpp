// SPDX-License-Identifier: Apache-2.0
#include "transport/core/congestion.hpp"

#include <algorithm>

namespace qnet::core {
namespace {

constexpr int kRateWindowRounds = 10;  // without a queue, which would make a wrong estimate last
constexpr Duration kRateWindowFloor = std::chrono::milliseconds(10);
constexpr int kEpochRounds = 3;
constexpr Duration kEpochFloor = std::chrono::milliseconds(3);
/// A sample shorter than this measures the clock, not the path.
constexpr Duration kSampleFloor = std::chrono::microseconds(1);
constexpr double kLossNoticed = 0.05;
constexpr double kLossHeavy = 0.20;
constexpr double kCut = 0.7;
constexpr double kRecovery = 0.1;
constexpr Duration kQueueNoticed = std::chrono::milliseconds(1);

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Congestion::Stamp Congestion::on_sent(std::size_t bytes, Instant now) {
  if (in_flight_bytes_ == 0) {
    delivered_at_ = now;
    flight_since_ = now;
  }
  in_flight_bytes_ += bytes;
  return {delivered_bytes_, delivered_at_, flight_since_, delivered_bytes_ < limited_until_bytes_};
}

void Congestion::on_sample(const Stamp& newest, Instant newest_sent_at, const RttEstimator& rtt, Instant now) {
  delivered_at_ = now;
  flight_since_ = newest_sent_at;
  // The longer of the two spans: acknowledgements that arrive in a bunch do not make the path faster.
  const Duration span = std::max(now - newest.delivered_at, newest_sent_at - newest.flight_since);
  const double sample = static_cast<double>(delivered_bytes_ - newest.delivered_bytes) / seconds(span);
  if (span >= kSampleFloor && (!newest.is_limited || sample > rate())) {
    is_measured_ = is_measured_ || !newest.is_limited;
    if (now - window_since_ > std::max(kRateWindowRounds * rtt.minimum(), kRateWindowFloor)) {
      rate_before_ = rate_now_;
      rate_now_ = 0;
      window_since_ = now;
    }
    rate_now_ = std::max(rate_now_, sample);
  }
  judge_epoch(rtt, now);

  const auto queue_most = static_cast<double>(kCapAtFirst);
  const double queue = is_measured_ ? std::min(rate() * kQueueSeconds, queue_most) : queue_most;
  const double product = 2 * rate() * seconds(rtt.minimum()) + queue;
  const std::size_t floor = gain_ == 1.0 && rate() > kFastBytesPerSecond ? kCapFast : kCapFloor;
  cap_bytes_ =
      static_cast<std::size_t>(std::clamp(gain_ * product, static_cast<double>(floor), static_cast<double>(kCapMax)));
}

void Congestion::judge_epoch(const RttEstimator& rtt, Instant now) {
  if (now - epoch_since_ < std::max(kEpochRounds * rtt.smoothed(), kEpochFloor)) return;
  const auto lost = static_cast<double>(epoch_lost_bytes_);
  const double share = lost / std::max(1.0, lost + static_cast<double>(epoch_acked_bytes_));
  const Duration least = rtt.minimum();
  const bool is_queueing = rtt.smoothed() > least + std::max(kQueueNoticed, least / 4);
  if (share > kLossHeavy || (share > kLossNoticed && is_queueing)) {
    gain_ = std::max(kGainFloor, gain_ * kCut);
  } else {
    gain_ = std::min(1.0, gain_ + kRecovery);
  }
  epoch_since_ = now;
  epoch_acked_bytes_ = 0;
  epoch_lost_bytes_ = 0;
}

}  // namespace qnet::core
