// SPDX-License-Identifier: Apache-2.0
#include "agent/peer_table.hpp"

#include <algorithm>
#include <ctime>

#include "transport/base/check.hpp"

namespace qnet::agent {

PeerTable::PeerTable(std::string own_name, Incarnation own)
    : own_{.name = std::move(own_name), .state = wire::NodeState::kSelf, .incarnation = own, .since_s = time(nullptr)} {
}

void PeerTable::add(std::string name, PeerId peer) {
  QNET_CHECK(peer.value <= peers_.size());
  if (peer.value == peers_.size()) peers_.emplace_back();
  peers_[peer.value] = {.name = std::move(name), .since_s = time(nullptr)};
  index_names();
}

void PeerTable::remove(PeerId peer) {
  peers_.at(peer.value).is_removed = true;
  index_names();
}

/// After every change: growing the vector moves the names.
void PeerTable::index_names() {
  by_name_.clear();
  by_name_.emplace(own_.name, NodeRef::self());
  for (std::uint32_t i = 0; i < peers_.size(); ++i) {
    if (!peers_[i].is_removed) by_name_.emplace(peers_[i].name, NodeRef::peer(PeerId{i}));
  }
}

std::optional<NodeRef> PeerTable::find(std::string_view name) const {
  if (name == own_.name) return NodeRef::self();
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  return found->second;
}

const NodeInfo& PeerTable::info(NodeRef node) const {
  if (node.is_self()) return own_;
  QNET_CHECK(node.value < peers_.size());
  return peers_[node.value];
}

void PeerTable::on_up(const core::PeerUp& event) {
  NodeInfo& peer = peers_.at(event.peer.value);
  peer.state = wire::NodeState::kUp;
  peer.incarnation = event.incarnation;
  peer.since_s = time(nullptr);
}

void PeerTable::on_down(const core::PeerDown& event) {
  NodeInfo& peer = peers_.at(event.peer.value);
  if (peer.state == wire::NodeState::kUp) peer.since_s = time(nullptr);
  peer.state = wire::NodeState::kDown;
}

exec::ClientId PeerTable::client_of(PeerId peer, Incarnation incarnation) {
  for (const Life& life : lives_) {
    if (life.peer == peer && life.incarnation == incarnation) return life.client;
  }
  lives_.push_back({peer, incarnation, exec::ClientId{next_client_++}});
  return lives_.back().client;
}

std::optional<exec::ClientId> PeerTable::end_life(PeerId peer, Incarnation incarnation) {
  const auto found = std::ranges::find_if(
      lives_, [&](const Life& life) { return life.peer == peer && life.incarnation == incarnation; });
  if (found == lives_.end()) return std::nullopt;
  const exec::ClientId client = found->client;
  lives_.erase(found);
  return client;
}

std::vector<const NodeInfo*> PeerTable::all() const {
  std::vector<const NodeInfo*> nodes{&own_};
  for (const NodeInfo& peer : peers_) {
    if (!peer.is_removed) nodes.push_back(&peer);
  }
  std::ranges::sort(nodes, {}, [](const NodeInfo* node) -> const std::string& { return node->name; });
  return nodes;
}

}  // namespace qnet::agent
