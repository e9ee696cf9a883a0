// SPDX-License-Identifier: Apache-2.0
//
// ack_ranges.hpp: which packet numbers have arrived on one path of the peer?
//
// Keeps the newest kRangesMax ranges. What lies below them counts as arrived: such a packet is dropped, never
// acknowledged, and what it carried comes again under a new number.
#pragma once

#include <array>
#include <cstdint>

#include "transport/wire/packet.hpp"

namespace qnet::core {

class AckRanges {
 public:
  static constexpr std::size_t kRangesMax = wire::AckFrame::kRangesMax;

  bool empty() const { return count_ == 0; }
  std::uint64_t largest() const { return count_ == 0 ? 0 : ranges_[0].last; }
  std::size_t count() const { return count_; }

  /// Seen before, or too old to know.
  bool contains(std::uint64_t number) const;
  /// `number` is not contained.
  void insert(std::uint64_t number);
  /// Writes largest, range_count and ranges.
  void fill(wire::AckFrame& frame) const;

 private:
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };

  void insert_range(std::size_t index, std::uint64_t number);
  void drop_range(std::size_t index);

  std::array<Range, kRangesMax> ranges_{};  // newest first
  std::size_t count_ = 0;
  std::uint64_t floor_ = 0;  // this number and everything below counts as seen
};

}  // namespace qnet::core
