// SPDX-License-Identifier: Apache-2.0
//
// scheduler.hpp: on which path does the next packet go?
//
// For now: the usable path with the shortest round trip, those under suspicion only when there is no other.
#pragma once

#include "transport/core/path.hpp"

namespace qnet::core {

/// `last` is kept unless another is clearly better. Null while no path is usable.
inline Path* choose_path(const Paths& paths, Path* last) {
  Path* best = nullptr;
  const auto is_better = [last](const Path& a, const Path& b) {
    const bool a_is_up = a.monitor.state() == LinkState::kUp;
    const bool b_is_up = b.monitor.state() == LinkState::kUp;
    if (a_is_up != b_is_up) return a_is_up;
    if (&b == last) return a.rtt.smoothed() < b.rtt.smoothed() * 3 / 4;
    if (&a == last) return a.rtt.smoothed() * 3 / 4 <= b.rtt.smoothed();
    return a.rtt.smoothed() < b.rtt.smoothed();
  };
  for (const auto& path : paths) {
    if (!path->monitor.is_usable()) continue;
    if (best == nullptr || is_better(*path, *best)) best = path.get();
  }
  return best;
}

}  // namespace qnet::core
