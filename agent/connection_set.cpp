// SPDX-License-Identifier: Apache-2.0
#include "agent/connection_set.hpp"

namespace qnet::agent {

Result<ConnectionId> ConnectionSet::get(core::Engine& engine, PeerId peer, Incarnation life, const NodeTarget& target,
                                        Instant at) {
  // Connections of an earlier life ended with it.
  std::erase_if(entries_, [&](const Entry& entry) { return entry.peer == peer && entry.life != life; });
  for (const Entry& entry : entries_) {
    if (entry.peer == peer && entry.policy == target.policy && entry.link == target.link) return entry.connection;
  }
  if (entries_.size() == kConnectionsMax) {
    engine.close_connection(entries_.front().peer, entries_.front().connection, at);
    entries_.erase(entries_.begin());
  }
  const Result<ConnectionId> opened = engine.open_connection(peer, target.policy, target.link, at);
  if (opened) entries_.push_back({peer, life, *opened, std::string(target.policy), std::string(target.link)});
  return opened;
}

void ConnectionSet::give_away(PeerId peer, Incarnation life, ConnectionId connection) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.peer == peer && entry.life == life && entry.connection == connection;
  });
}

void ConnectionSet::close_all(core::Engine& engine, Instant at) {
  for (const Entry& entry : entries_) {
    if (engine.incarnation_of(entry.peer) == entry.life) engine.close_connection(entry.peer, entry.connection, at);
  }
  entries_.clear();
}

}  // namespace qnet::agent
