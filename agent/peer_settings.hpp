// SPDX-License-Identifier: Apache-2.0
//
// peer_settings.hpp: how do the peers of the configuration get to the engine, at start and when they are re-read?
//
// plan() compares without changing anything, so that a bad file leaves all as it was. A peer that has lost an address
// leaves and comes back as a new session (its open files are stale); one that only gained some keeps its session.
//
// Threads:  the strand.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "agent/config.hpp"
#include "agent/link_pump.hpp"
#include "agent/peer_table.hpp"
#include "transport/core/engine.hpp"

namespace qnet::agent {

class PeerSettings {
 public:
  using Way = std::pair<LinkId, core::Address>;
  struct Peer {
    std::string name;
    std::vector<Way> ways;
  };
  /// What must happen, in this order, with time for goodbyes between leave() and come().
  struct Plan {
    std::vector<PeerId> leaving;
    std::vector<Peer> coming;
    std::vector<std::pair<PeerId, Peer>> widened;
    bool is_empty() const { return leaving.empty() && coming.empty() && widened.empty(); }
  };

  PeerSettings(core::Engine& engine, LinkPump& pump, PeerTable& table) : engine_(engine), pump_(pump), table_(table) {}

  /// The error is one line that names the setting.
  std::expected<Plan, std::string> plan(const std::vector<PeerSetting>& wanted) const;
  /// Says goodbye to those that leave and forgets them.
  void leave(const Plan& plan, Instant at);
  /// Takes in those that come. An error names the first that found no place; the others are in.
  std::expected<void, std::string> come(const Plan& plan, Instant at);

 private:
  std::expected<Peer, std::string> resolve(const PeerSetting& setting) const;

  core::Engine& engine_;
  LinkPump& pump_;
  PeerTable& table_;
  std::vector<std::pair<PeerId, Peer>> present_;
};

}  // namespace qnet::agent
