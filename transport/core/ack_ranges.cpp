// SPDX-License-Identifier: Apache-2.0
#include "transport/core/ack_ranges.hpp"

#include <algorithm>
#include <limits>

namespace qnet::core {

bool AckRanges::contains(std::uint64_t number) const {
  if (number <= floor_) return true;
  for (std::size_t i = 0; i < count_; ++i) {
    if (number > ranges_[i].last) return false;
    if (number >= ranges_[i].first) return true;
  }
  return false;
}

void AckRanges::insert(std::uint64_t number) {
  std::size_t i = 0;
  while (i < count_ && number < ranges_[i].first) ++i;
  // ranges_[i] lies below `number` now, ranges_[i - 1] above it.
  const bool touches_lower = i < count_ && ranges_[i].last + 1 == number;
  const bool touches_upper = i > 0 && ranges_[i - 1].first == number + 1;
  if (touches_lower && touches_upper) {
    ranges_[i - 1].first = ranges_[i].first;
    drop_range(i);
  } else if (touches_lower) {
    ranges_[i].last = number;
  } else if (touches_upper) {
    ranges_[i - 1].first = number;
  } else {
    insert_range(i, number);
  }
}

void AckRanges::insert_range(std::size_t index, std::uint64_t number) {
  if (count_ == kRangesMax) {
    const Range& oldest = ranges_[count_ - 1];
    if (index == count_) {
      floor_ = std::max(floor_, number);
      return;
    }
    floor_ = std::max(floor_, oldest.last);
    --count_;
  }
  std::move_backward(ranges_.begin() + static_cast<std::ptrdiff_t>(index),
                     ranges_.begin() + static_cast<std::ptrdiff_t>(count_),
                     ranges_.begin() + static_cast<std::ptrdiff_t>(count_ + 1));
  ranges_[index] = {number, number};
  ++count_;
}

void AckRanges::drop_range(std::size_t index) {
  std::move(ranges_.begin() + static_cast<std::ptrdiff_t>(index + 1),
            ranges_.begin() + static_cast<std::ptrdiff_t>(count_),
            ranges_.begin() + static_cast<std::ptrdiff_t>(index));
  --count_;
}

void AckRanges::fill(wire::AckFrame& frame) const {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint16_t>::max();
  frame.largest = largest();
  frame.range_count = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const std::uint64_t gap = i == 0 ? 0 : ranges_[i - 1].first - ranges_[i].last - 1;
    const std::uint64_t length = ranges_[i].last - ranges_[i].first + 1;
    if (gap > kMost) break;
    frame.ranges[i] = {static_cast<std::uint16_t>(gap), static_cast<std::uint16_t>(std::min(length, kMost))};
    frame.range_count = static_cast<std::uint8_t>(i + 1);
    if (length > kMost) break;  // What lies below was acknowledged long ago.
  }
}

}  // namespace qnet::core
