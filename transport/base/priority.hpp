// SPDX-License-Identifier: Apache-2.0
//
// priority.hpp: how urgent is a message, and whose turn is it where several wait?
//
// A message has the scheduling priority of whoever asks, and its reply the same: −nice for ordinary threads, 20 and the
// real-time priority for SCHED_FIFO and SCHED_RR. Where messages wait (for a place on the wire, for a thread of the
// owner) they stand in levels: two nice values or ten real-time priorities each. The highest level is served, but after
// kPassedOverMax turns in a row the levels below it get one, each of them in its turn: nobody starves.
#pragma once

#include <bit>
#include <cstdint>

namespace qnet {

/// Higher is more urgent.
using Priority = std::int8_t;

/// Of what nobody waits for (a Close, the answer to it).
inline constexpr Priority kPriorityLingering = -128;
inline constexpr Priority kPriorityIdle = -20;  ///< SCHED_IDLE; nice 19 is -19
inline constexpr Priority kPriorityNormal = 0;
inline constexpr Priority kPriorityRealTime = 20;  ///< with the real-time priority, 1 to 99, added
inline constexpr Priority kPriorityHighest = kPriorityRealTime + 99;

inline constexpr unsigned kPriorityLevels = 32;

/// 0 to kPriorityLevels - 1; any number that a peer may send has one.
constexpr unsigned level_of(Priority priority) {
  if (priority < kPriorityIdle) return 0;
  if (priority == kPriorityIdle) return 1;
  if (priority <= kPriorityRealTime) return 2 + static_cast<unsigned>(priority + 19) / 2;
  const unsigned level = 22 + static_cast<unsigned>(priority - kPriorityRealTime - 1) / 10;
  return level < kPriorityLevels ? level : kPriorityLevels - 1;
}

/// Which of the levels in which somebody waits is next?
class PriorityTurns {
 public:
  static constexpr unsigned kPassedOverMax = 8;

  void set_waiting(unsigned level, bool is_waiting) {
    const std::uint32_t bit = std::uint32_t{1} << level;
    waiting_ = is_waiting ? waiting_ | bit : waiting_ & ~bit;
  }
  bool empty() const { return waiting_ == 0; }
  unsigned highest() const { return highest_of(waiting_); }
  /// Not when empty. Stays until on_served() or set_waiting().
  unsigned next() const {
    const std::uint32_t lower = waiting_ & ~(std::uint32_t{1} << highest());
    if (passed_over_ < kPassedOverMax || lower == 0) return highest();
    const std::uint32_t below_last = lower & ((std::uint32_t{1} << last_lower_) - 1);
    return highest_of(below_last != 0 ? below_last : lower);
  }
  /// One of that level has had its turn; it counts as waiting still.
  void on_served(unsigned level) {
    const bool has_lower = (waiting_ & ((std::uint32_t{1} << level) - 1)) != 0;
    if (level == highest()) {
      passed_over_ = has_lower ? passed_over_ + (passed_over_ < kPassedOverMax ? 1 : 0) : 0;
    } else {
      passed_over_ = 0;
      last_lower_ = level;
    }
  }

 private:
  static unsigned highest_of(std::uint32_t levels) { return static_cast<unsigned>(std::bit_width(levels)) - 1; }

  std::uint32_t waiting_ = 0;
  unsigned passed_over_ = 0;  // turns in a row of the highest while others waited
  unsigned last_lower_ = 0;   // that got a turn
};

}  // namespace qnet
