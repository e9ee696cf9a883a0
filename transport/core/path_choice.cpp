// SPDX-License-Identifier: Apache-2.0
#include "transport/core/path_choice.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace qnet::core {
namespace {

/// A path that was never busy is taken for one of 1 Gbit/s.
constexpr double kRateGuess = 125e6;
/// A batch is not cut shorter than this much time of its path.
constexpr double kBatchSeconds = 250e-6;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double rate_of(const Path& path) {
  return path.congestion.is_measured() ? path.congestion.rate() : std::max(path.congestion.rate(), kRateGuess);
}

/// How long what is under way and `bytes` more take to get through, without the way itself.
double transmission_seconds(const Path& path, std::size_t bytes) {
  const double rate = rate_of(path);
  const double on_the_way = rate * seconds(path.rtt.minimum());
  const double queued = std::max(0.0, static_cast<double>(path.congestion.in_flight_bytes()) - on_the_way);
  return (queued + static_cast<double>(bytes)) / rate;
}

double completion_of_small(const Path& path, std::size_t bytes) {
  return seconds(path.rtt.smoothed()) + transmission_seconds(path, bytes);
}

double completion_of_bulk(const Path& path, std::size_t bytes) {
  return seconds(path.rtt.minimum()) + transmission_seconds(path, bytes);
}

template <class Function>
void for_each(const Paths& paths, PathSet set, Function&& function) {
  for (; set != 0; set &= set - 1) function(*paths[static_cast<std::size_t>(std::countr_zero(set))]);
}

template <class Condition>
PathSet paths_if(const Paths& paths, Condition&& condition) {
  PathSet set = 0;
  for (const auto& path : paths) set |= condition(*path) ? set_of(*path) : 0;
  return set;
}

struct Health {
  PathSet up = 0;
  PathSet usable = 0;
  /// Those under suspicion only if there is no other.
  PathSet best_of(PathSet set) const { return (set & up) != 0 ? set & up : set & usable; }
};

Health health_of(const Paths& paths) {
  Health health;
  for (const auto& path : paths) {
    if (!path->monitor.is_usable()) continue;
    health.usable |= set_of(*path);
    if (path->monitor.state() == LinkState::kUp) health.up |= set_of(*path);
  }
  return health;
}

}  // namespace

PathSet permitted_paths(const Paths& paths, const Policy& policy, Instant now) {
  const Health health = health_of(paths);
  if (!policy.has_link()) return health.best_of(~PathSet{0});
  const PathSet named = paths_if(paths, [&policy](const Path& path) { return path.link == policy.link; });
  if (policy.kind == PolicyKind::kExclusive) return health.best_of(named);

  const PathSet good = named & paths_if(paths, [now](const Path& path) {
                         const bool is_doubtful = path.monitor.state() == LinkState::kSuspect;
                         return is_doubtful ? path.timeouts < kTimeoutsToLeave : path.monitor.is_settled(now);
                       });
  if (good != 0) return good;
  const PathSet others = health.up & ~named;
  return others != 0 ? others : health.best_of(~PathSet{0});
}

Path* choose_for_small(const Paths& paths, PathSet permitted, std::size_t bytes, const Path* last) {
  if (std::has_single_bit(permitted)) {
    Path* only = paths[static_cast<std::size_t>(std::countr_zero(permitted))].get();
    return only->may_send_small() ? only : nullptr;
  }
  Path* best = nullptr;
  double least = std::numeric_limits<double>::max();
  for_each(paths, permitted, [&](Path& path) {
    const double completion = completion_of_small(path, bytes) * (&path == last ? 0.75 : 1.0);
    if (completion >= least) return;
    best = &path;
    least = completion;
  });
  return best != nullptr && best->may_send_small() ? best : nullptr;
}

PathChoice choose_for_bulk(const Paths& paths, PathSet permitted, std::size_t backlog_bytes) {
  const Path* quickest = nullptr;
  Path* best = nullptr;  // with room
  double quickest_end = std::numeric_limits<double>::max();
  double best_end = quickest_end;
  for_each(paths, permitted, [&](Path& path) {
    const double end = completion_of_bulk(path, path.datagram.bytes());
    if (end < quickest_end) {
      quickest = &path;
      quickest_end = end;
    }
    if (end < best_end && path.may_send()) {
      best = &path;
      best_end = end;
    }
  });
  if (best == nullptr) return {};
  if (best != quickest && best_end > completion_of_bulk(*quickest, backlog_bytes)) return {};
  const auto least = static_cast<std::size_t>(rate_of(*best) * kBatchSeconds);
  const std::size_t share = backlog_bytes / (2 * static_cast<std::size_t>(std::popcount(permitted)));
  return {best, std::max(share, least)};
}

Path* choose_second(const Paths& paths, PathSet permitted, const Path& first) {
  const PathSet others = permitted & paths_if(paths, [&first](const Path& path) { return path.link != first.link; });
  return choose_for_small(paths, others, 0, nullptr);
}

}  // namespace qnet::core
