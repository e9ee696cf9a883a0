// SPDX-License-Identifier: Apache-2.0
//
// interval_set.hpp: which parts of a range do we have?
//
// Disjoint, sorted, half-open intervals that do not touch each other. Appending at the end is O(1), everything else is
// O(number of intervals), which for a message is the number of holes. Empty sets own no memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace qnet::core {

template <class Integer>
class IntervalSet {
 public:
  struct Interval {
    Integer begin = 0;
    Integer end = 0;  // exclusive
    friend bool operator==(const Interval&, const Interval&) = default;
  };

  bool empty() const { return intervals_.empty(); }
  std::size_t count() const { return intervals_.size(); }
  const Interval& operator[](std::size_t index) const { return intervals_[index]; }
  const Interval& front() const { return intervals_.front(); }
  void clear() { intervals_.clear(); }

  /// Returns how many integers of [begin, end) were not there before.
  Integer insert(Integer begin, Integer end) {
    if (begin >= end) return 0;
    if (intervals_.empty() || begin > intervals_.back().end) {
      intervals_.push_back({begin, end});
      return end - begin;
    }
    if (begin == intervals_.back().end) {
      intervals_.back().end = end;
      return end - begin;
    }
    return insert_inside(begin, end);
  }

  /// Returns how many integers of [begin, end) were there.
  Integer erase(Integer begin, Integer end) {
    Integer erased = 0;
    std::size_t i = first_ending_after(begin);
    while (i < intervals_.size() && intervals_[i].begin < end) {
      const Interval old = intervals_[i];
      const Integer cut_begin = std::max(old.begin, begin);
      const Integer cut_end = std::min(old.end, end);
      if (cut_begin >= cut_end) break;
      erased += cut_end - cut_begin;
      const auto at = intervals_.begin() + static_cast<std::ptrdiff_t>(i);
      if (old.begin < cut_begin && cut_end < old.end) {
        at->end = cut_begin;
        intervals_.insert(at + 1, {cut_end, old.end});
        break;
      }
      if (old.begin < cut_begin) {
        at->end = cut_begin;
        ++i;
      } else if (cut_end < old.end) {
        at->begin = cut_end;
        break;
      } else {
        intervals_.erase(at);
      }
    }
    return erased;
  }

  /// [begin, end) overlaps an interval or lies right beside one: inserting it makes no new one.
  bool touches(Integer begin, Integer end) const {
    const auto found = std::partition_point(intervals_.begin(), intervals_.end(),
                                            [begin](const Interval& interval) { return interval.end < begin; });
    return found != intervals_.end() && found->begin <= end;
  }

  bool contains(Integer value) const {
    const std::size_t i = first_ending_after(value);
    return i < intervals_.size() && intervals_[i].begin <= value;
  }

 private:
  std::size_t first_ending_after(Integer value) const {
    const auto found = std::partition_point(intervals_.begin(), intervals_.end(),
                                            [value](const Interval& interval) { return interval.end <= value; });
    return static_cast<std::size_t>(found - intervals_.begin());
  }

  Integer insert_inside(Integer begin, Integer end) {
    // The run of intervals that overlap or touch [begin, end) becomes one.
    auto first = std::partition_point(intervals_.begin(), intervals_.end(),
                                      [begin](const Interval& interval) { return interval.end < begin; });
    auto last = first;
    Integer covered = 0;
    Interval merged{begin, end};
    while (last != intervals_.end() && last->begin <= end) {
      const Integer shared_begin = std::max(last->begin, begin);
      const Integer shared_end = std::min(last->end, end);
      if (shared_begin < shared_end) covered += shared_end - shared_begin;
      merged.begin = std::min(merged.begin, last->begin);
      merged.end = std::max(merged.end, last->end);
      ++last;
    }
    if (first == last) {
      intervals_.insert(first, merged);
    } else {
      *first = merged;
      intervals_.erase(first + 1, last);
    }
    return (end - begin) - covered;
  }

  std::vector<Interval> intervals_;
};

}  // namespace qnet::core
