// SPDX-License-Identifier: Apache-2.0
#include "transport/core/datagram_size.hpp"

namespace qnet::core {

void DatagramSize::limit(std::size_t ceiling_bytes, bool may_search) {
  ceiling_bytes &= ~std::size_t{3};
  may_search_ = may_search;
  if (ceiling_bytes == ceiling_bytes_) return;
  *this = DatagramSize();
  may_search_ = may_search;
  ceiling_bytes_ = bytes_ = ceiling_bytes;
}

void DatagramSize::on_news(const SizeNews& news, std::uint64_t next_number, Instant now) {
  if (news.acked_bytes > base()) black_rounds_ = 0;
  if (news.acked_bytes > bytes_) {
    bytes_ = std::min(news.acked_bytes, ceiling_bytes_) & ~std::size_t{3};
    is_trial_out_ = false;
    tries_ = 0;
    return try_next(now);
  }
  if (is_trial_out_ && news.lost_bytes >= trial_bytes_) return on_trial_failed(now);
  const bool is_black = news.lost_bytes > base() && news.acked_bytes != 0 && news.acked_bytes <= base();
  if (!is_black || news.lost_number < round_begins_ || bytes_ <= base()) return;
  round_begins_ = next_number;
  if (++black_rounds_ >= kBlackRounds) fall(now);
}

void DatagramSize::on_refused(Instant now) {
  if (is_trial_out_) {
    is_trial_out_ = false;
    tries_ = 0;
    too_long_bytes_ = trial_bytes_;
    try_next(now);
  } else if (bytes_ > base()) {
    fall(now);
  }
}

void DatagramSize::on_abandoned(Instant now) {
  if (is_trial_out_ || (trial_at_ && *trial_at_ < now)) trial_at_ = now;
  is_trial_out_ = false;
  black_rounds_ = 0;
  round_begins_ = 0;
}

void DatagramSize::fall(Instant now) {
  black_rounds_ = 0;
  if (!may_search_) return;
  trial_bytes_ = bytes_;
  too_long_bytes_ = ceiling_bytes_ + kStep;
  bytes_ = base();
  tries_ = 0;
  is_trial_out_ = false;
  trial_at_ = now;
}

void DatagramSize::on_trial_failed(Instant now) {
  is_trial_out_ = false;
  trial_at_ = now;
  if (++tries_ < kTries) return;
  tries_ = 0;
  too_long_bytes_ = trial_bytes_;
  try_next(now);
}

void DatagramSize::try_next(Instant now) {
  if (bytes_ >= ceiling_bytes_) return trial_at_.reset();
  trial_at_ = now;
  if (too_long_bytes_ > ceiling_bytes_) {
    trial_bytes_ = ceiling_bytes_;
  } else if (too_long_bytes_ > bytes_ + kStep) {
    trial_bytes_ = (bytes_ + too_long_bytes_) / 2 & ~std::size_t{3};
  } else {
    too_long_bytes_ = ceiling_bytes_ + kStep;
    trial_bytes_ = ceiling_bytes_;
    trial_at_ = now + kRaiseAfter;
  }
}

}  // namespace qnet::core
