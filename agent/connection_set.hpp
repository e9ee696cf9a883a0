// SPDX-License-Identifier: Apache-2.0
//
// connection_set.hpp: which transport connections serve one local connection?
//
// One per peer and policy, opened at the first request, so that what one thread of a program asks stays in order and
// gets credit of its own. Bounded: the oldest gives way.
//
// Threads:  the strand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "transport/base/net_path.hpp"
#include "transport/core/engine.hpp"

namespace qnet::agent {

class ConnectionSet {
 public:
  static constexpr std::size_t kConnectionsMax = 32;

  /// `life`: the peer's present one. Errors: those of Engine::open_connection().
  Result<ConnectionId> get(core::Engine& engine, PeerId peer, Incarnation life, const NodeTarget& target, Instant at);

  /// This one is somebody else's from now on.
  void give_away(PeerId peer, Incarnation life, ConnectionId connection);
  void close_all(core::Engine& engine, Instant at);

 private:
  struct Entry {
    PeerId peer;
    Incarnation life;
    ConnectionId connection;
    std::string policy, link;
  };
  std::vector<Entry> entries_;
};

}  // namespace qnet::agent
