// SPDX-License-Identifier: Apache-2.0
//
// busy_wait.hpp: is it worth staying awake until the next event?
//
// Waking a thread on an idle CPU takes longer than everything else that a small operation costs (25 to 50 µs on virtual
// CPUs, several times per operation). So while events follow each other quickly the thread looks for the next one for
// `limit`, giving the CPU to whoever wants it between two looks, before it sleeps. One long gap ends that until events
// are quick again: an agent that is idle or slowly used burns nothing. Where somebody else keeps the CPU for kStolen
// once it is given away, that costs more than sleeping: no busy waiting for kPauseFactor times as long. Medians on two
// CPUs: pread of 4 KiB 94 µs without and 44 with it (CPU per node), 133 and 65 (unpinned); cat of a small file 210 and
// 150.
//
// Threads:  one.
#pragma once

#include <sched.h>

#include "transport/base/clock.hpp"

namespace qnet::agent {

class BusyWait {
 public:
  static constexpr Duration kStolen = std::chrono::microseconds(500);
  static constexpr int kPauseFactor = 50;
  /// A gap up to that many limits is quick: asleep everything takes longer.
  static constexpr int kQuickFactor = 3;

  /// Zero: never.
  explicit BusyWait(Duration limit) : limit_(limit) {}

  /// Before sleeping: looks until `look` finds something. Returns what it found, 0 when it is time to sleep.
  template <class Look, class Clock>
  int look_for_a_while(Look look, Clock clock) {
    began_ = clock();
    if (!is_quick_ || began_ < paused_until_) return 0;
    for (Instant at = began_; at - began_ < limit_;) {
      sched_yield();
      const Instant back = clock();
      if (back - at >= kStolen) paused_until_ = back + kPauseFactor * (back - at);
      at = back;
      if (const int found = look(); found != 0) return found;
    }
    return 0;
  }
  /// An event has come, whether it was found awake or asleep.
  void on_event(Instant at) { is_quick_ = at - began_ < kQuickFactor * limit_; }

 private:
  const Duration limit_;
  bool is_quick_ = false;
  Instant began_{};
  Instant paused_until_{};
};

}  // namespace qnet::agent
