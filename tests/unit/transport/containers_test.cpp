// SPDX-License-Identifier: Apache-2.0
//
// containers_test.cpp: do our containers agree with the naive ones?
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

#include "transport/core/ack_ranges.hpp"
#include "transport/core/flat_map.hpp"
#include "transport/core/interval_set.hpp"
#include "transport/core/ring_queue.hpp"

namespace qnet::core {
namespace {

TEST(IntervalSetTest, AgreesWithASetOfNumbers) {
  std::mt19937_64 random(1);
  for (int run = 0; run < 200; ++run) {
    IntervalSet<std::uint32_t> intervals;
    std::set<std::uint32_t> naive;
    for (int step = 0; step < 60; ++step) {
      const auto begin = static_cast<std::uint32_t>(random() % 100);
      const auto end = begin + static_cast<std::uint32_t>(random() % 20);
      std::uint32_t changed = 0;
      if (random() % 3 != 0) {
        for (std::uint32_t i = begin; i < end; ++i) changed += naive.insert(i).second ? 1 : 0;
        ASSERT_EQ(intervals.insert(begin, end), changed);
      } else {
        for (std::uint32_t i = begin; i < end; ++i) changed += static_cast<std::uint32_t>(naive.erase(i));
        ASSERT_EQ(intervals.erase(begin, end), changed);
      }
      for (std::uint32_t i = 0; i < 125; ++i) ASSERT_EQ(intervals.contains(i), naive.contains(i)) << i;
      for (std::size_t i = 0; i < intervals.count(); ++i) {
        ASSERT_LT(intervals[i].begin, intervals[i].end);
        ASSERT_TRUE(i == 0 || intervals[i].begin > intervals[i - 1].end) << "touching intervals";
      }
    }
  }
}

TEST(AckRangesTest, AgreesWithASetOfNumbers) {
  std::mt19937_64 random(2);
  for (int run = 0; run < 100; ++run) {
    AckRanges ranges;
    std::set<std::uint64_t> naive;
    for (int step = 0; step < 150; ++step) {
      const std::uint64_t number = 1 + random() % (1 + static_cast<std::uint64_t>(step));
      ASSERT_LE(ranges.count(), AckRanges::kRangesMax);
      ASSERT_TRUE(ranges.contains(number) || !naive.contains(number));
      if (ranges.contains(number)) continue;
      ranges.insert(number);
      naive.insert(number);
      wire::AckFrame frame;
      ranges.fill(frame);
      ASSERT_EQ(frame.largest, *naive.rbegin());
      std::uint64_t last = frame.largest;
      for (std::size_t i = 0; i < frame.range_count; ++i) {
        last -= frame.ranges[i].gap;
        for (std::uint64_t n = last; n > last - frame.ranges[i].length; --n) ASSERT_TRUE(naive.contains(n)) << n;
        last -= frame.ranges[i].length;
        ASSERT_FALSE(naive.contains(last) && ranges.count() < AckRanges::kRangesMax && last > 0) << last;
      }
    }
  }
}

TEST(AckRangesTest, WhatIsTooOldCountsAsSeen) {
  AckRanges ranges;
  for (std::uint64_t n = 0; n < 2 * AckRanges::kRangesMax; ++n) ranges.insert(10 + 2 * n);
  EXPECT_EQ(ranges.count(), AckRanges::kRangesMax);
  EXPECT_TRUE(ranges.contains(9));
  EXPECT_TRUE(ranges.contains(11));
  EXPECT_FALSE(ranges.contains(10 + 2 * (2 * AckRanges::kRangesMax - 1) - 1));
}

TEST(FlatMapTest, AgreesWithAMap) {
  std::mt19937_64 random(4);
  FlatMap<int> map;
  std::map<std::uint32_t, int> naive;
  for (int step = 0; step < 20000; ++step) {
    const auto key = static_cast<std::uint32_t>(1 + random() % 300);
    if (naive.contains(key)) {
      ASSERT_NE(map.find(key), nullptr);
      ASSERT_EQ(*map.find(key), naive[key]);
      if (random() % 2 == 0) {
        map.erase(key);
        naive.erase(key);
      }
    } else {
      ASSERT_EQ(map.find(key), nullptr);
      map.insert(key, step);
      naive[key] = step;
    }
    ASSERT_EQ(map.size(), naive.size());
  }
}

TEST(RingQueueTest, AgreesWithADeque) {
  std::mt19937_64 random(5);
  RingQueue<int> ring;
  std::deque<int> naive;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 5 < 3 || naive.empty()) {
      ring.push_back(step);
      naive.push_back(step);
    } else if (random() % 4 != 0) {
      ASSERT_EQ(ring.pop_front(), naive.front());
      naive.pop_front();
    } else {
      ring.pop_back();
      naive.pop_back();
    }
    ASSERT_EQ(ring.size(), naive.size());
    ASSERT_TRUE(naive.empty() || ring[naive.size() / 2] == naive[naive.size() / 2]);
  }
}

}  // namespace
}  // namespace qnet::core
