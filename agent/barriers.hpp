// SPDX-License-Identifier: Apache-2.0
//
// barriers.hpp: which requests must wait until something that the agent itself has sent is done?
//
// A program that wrote past the library and exited, closed a file that it had locked, or died with a lock, expects the
// effect to be there when its parent acts next. The agent sends what that needs (a Write, a Close, a ReleaseLocks) as
// a request of its own: later requests of the same user, and of root, to the same node wait for its reply. Only
// requests that arrive after it wait, and each for at most kHoldMax, so nobody can stall others for longer.
//
// Threads:  the strand.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "agent/peer_table.hpp"
#include "transport/base/clock.hpp"

namespace qnet::agent {

class Barriers {
 public:
  static constexpr Duration kHoldMax = std::chrono::seconds(1);

  std::uint64_t raise(NodeRef node, std::uint32_t user) {
    raised_.push_back({++latest_, node, user});
    return latest_;
  }
  void lower(std::uint64_t barrier) {
    std::erase_if(raised_, [barrier](const Barrier& raised) { return raised.number == barrier; });
  }

  /// A request that arrives now waits for barriers up to this number.
  std::uint64_t latest() const { return latest_; }
  bool blocks(NodeRef node, std::uint32_t user, std::uint64_t up_to) const {
    if (raised_.empty()) return false;
    return std::ranges::any_of(raised_, [&](const Barrier& raised) {
      return raised.number <= up_to && raised.node == node && (raised.user == user || user == 0);
    });
  }
  std::size_t size() const { return raised_.size(); }

 private:
  struct Barrier {
    std::uint64_t number;
    NodeRef node;
    std::uint32_t user;
  };
  std::vector<Barrier> raised_;
  std::uint64_t latest_ = 0;
};

}  // namespace qnet::agent
