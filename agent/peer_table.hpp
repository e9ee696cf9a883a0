// SPDX-License-Identifier: Apache-2.0
//
// peer_table.hpp: which nodes are known, by which name, and how are they?
//
// Names are from the configuration. Also numbers the lives of nodes for the executor, to whom each life is a client.
//
// Threads:  the strand.
// Not here: how a peer is reached (core::Engine).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/exec/executor.hpp"
#include "transport/base/ids.hpp"
#include "transport/core/engine.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::agent {

/// Whom a request is for: a peer, this node itself, or the list of nodes (/net).
struct NodeRef {
  std::uint32_t value = UINT32_MAX - 1;

  static constexpr NodeRef self() { return {UINT32_MAX}; }
  static constexpr NodeRef root() { return {UINT32_MAX - 1}; }
  static constexpr NodeRef peer(PeerId id) { return {id.value}; }

  constexpr bool is_self() const { return *this == self(); }
  constexpr bool is_root() const { return *this == root(); }
  constexpr bool is_peer() const { return value < UINT32_MAX - 1; }
  constexpr PeerId peer_id() const { return PeerId{value}; }
  constexpr auto operator<=>(const NodeRef&) const = default;
};

struct NodeInfo {
  std::string name;
  wire::NodeState state = wire::NodeState::kDown;
  Incarnation incarnation;   // of the present or the latest life; none: never seen
  std::int64_t since_s = 0;  // CLOCK_REALTIME
  bool is_removed = false;   // no longer in the configuration: found by nobody
};

class PeerTable {
 public:
  /// This node's own life is always this client of the executor.
  static constexpr exec::ClientId kOwnClient{1};

  PeerTable(std::string own_name, Incarnation own);

  /// `peer` is a new number, in the engine's order, or that of a removed one.
  void add(std::string name, PeerId peer);
  void remove(PeerId peer);

  std::optional<NodeRef> find(std::string_view name) const;
  const NodeInfo& info(NodeRef node) const;
  std::string_view name_of(NodeRef node) const { return node.is_root() ? std::string_view("") : info(node).name; }
  Incarnation own_incarnation() const { return own_.incarnation; }

  void on_up(const core::PeerUp& event);
  void on_down(const core::PeerDown& event);

  /// The executor's number for that life of a peer, given at its first request.
  exec::ClientId client_of(PeerId peer, Incarnation incarnation);
  /// Ends it; nothing if that life never asked for anything.
  std::optional<exec::ClientId> end_life(PeerId peer, Incarnation incarnation);

  /// This node and every peer, by name.
  std::vector<const NodeInfo*> all() const;

 private:
  void index_names();

  struct Life {
    PeerId peer;
    Incarnation incarnation;
    exec::ClientId client;
  };

  NodeInfo own_;
  std::vector<NodeInfo> peers_;                            // by PeerId
  std::unordered_map<std::string_view, NodeRef> by_name_;  // views into the names, which never move
  std::vector<Life> lives_;                                // few: at most the present and the last one of each peer
  std::uint64_t next_client_ = kOwnClient.value + 1;
};

}  // namespace qnet::agent

template <>
struct std::hash<qnet::agent::NodeRef> {
  std::size_t operator()(qnet::agent::NodeRef node) const noexcept { return node.value; }
};
