// SPDX-License-Identifier: Apache-2.0
//
// path_choice.hpp: on which path does the next packet go?
//
// First the policy: which paths may the connection use now. Then time: a small message takes the path that delivers it
// soonest. Bulk fills the path that would be done soonest, and each other one with room as long as what it takes there
// arrives before the first path alone could have finished everything, so that all of them end together.
//
// Source: transport.md 3.8 (earliest completion first).
#pragma once

#include "transport/core/path.hpp"
#include "transport/core/qos_policy.hpp"

namespace qnet::core {

/// Bit set of paths, by number.
using PathSet = std::uint32_t;

inline constexpr PathSet set_of(const Path& path) {
  return PathSet{1} << path.id;
}

/// The paths that a connection of this policy may use now; those under suspicion only when there is no other.
PathSet permitted_paths(const Paths& paths, const Policy& policy, Instant now);

/// Probe timeouts on a preferred path after which the others take over.
inline constexpr unsigned kTimeoutsToLeave = 2;

struct PathChoice {
  Path* path = nullptr;       // none: wait
  std::size_t bytes_max = 0;  // for one batch
};

/// For a message that travels whole. `last` is kept unless another is clearly better; null if it has to wait for room.
Path* choose_for_small(const Paths& paths, PathSet permitted, std::size_t bytes, const Path* last);
/// For the next part of `backlog_bytes`.
PathChoice choose_for_bulk(const Paths& paths, PathSet permitted, std::size_t backlog_bytes);
/// The best permitted one on another link than `first`, for a copy of the same; null if there is none.
Path* choose_second(const Paths& paths, PathSet permitted, const Path& first);

}  // namespace qnet::core
