// SPDX-License-Identifier: Apache-2.0
#include "agent/peer_settings.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace qnet::agent {
namespace {

bool has_all(const std::vector<PeerSettings::Way>& ways, const std::vector<PeerSettings::Way>& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& way) { return std::ranges::find(ways, way) != ways.end(); });
}

}  // namespace

std::expected<PeerSettings::Peer, std::string> PeerSettings::resolve(const PeerSetting& setting) const {
  Peer peer{.name = setting.name, .ways = {}};
  for (const PathSetting& path : setting.paths) {
    const std::optional<LinkId> link = pump_.find(path.link);
    if (!link) return std::unexpected("--peer " + setting.name + ": no --link " + path.link);
    const Result<core::Address> address = pump_.driver_of(*link).parse_address(path.address);
    if (!address) return std::unexpected("--peer " + setting.name + ": bad address \"" + path.address + "\"");
    peer.ways.emplace_back(*link, *address);
  }
  return peer;
}

std::expected<PeerSettings::Plan, std::string> PeerSettings::plan(const std::vector<PeerSetting>& wanted) const {
  Plan plan;
  std::vector<Peer> peers;
  for (const PeerSetting& setting : wanted) {
    std::expected<Peer, std::string> peer = resolve(setting);
    if (!peer) return std::unexpected(peer.error());
    peers.push_back(std::move(*peer));
  }
  for (const auto& [id, peer] : present_) {
    const auto next = std::ranges::find(peers, peer.name, &Peer::name);
    if (next == peers.end() || !has_all(next->ways, peer.ways)) plan.leaving.push_back(id);
  }
  for (Peer& peer : peers) {
    const auto before = std::ranges::find(present_, peer.name, [](const auto& entry) { return entry.second.name; });
    const bool stays = before != present_.end() && std::ranges::find(plan.leaving, before->first) == plan.leaving.end();
    if (!stays) plan.coming.push_back(std::move(peer));
    else if (!has_all(before->second.ways, peer.ways)) plan.widened.emplace_back(before->first, std::move(peer));
  }
  return plan;
}

void PeerSettings::leave(const Plan& plan, Instant at) {
  for (const PeerId id : plan.leaving) engine_.say_goodbye(id, at);
  pump_.flush_all(at);
  for (const PeerId id : plan.leaving) {
    engine_.remove_peer(id, at);
    table_.remove(id);
    std::erase_if(present_, [id](const auto& entry) { return entry.first == id; });
  }
}

std::expected<void, std::string> PeerSettings::come(const Plan& plan, Instant at) {
  std::expected<void, std::string> outcome;
  for (const Peer& peer : plan.coming) {
    const Result<PeerId> id = engine_.add_peer(peer.name, at);
    if (!id) {
      if (outcome) outcome = std::unexpected("peer " + peer.name + ": " + std::strerror(id.error().code));
      continue;
    }
    table_.add(peer.name, *id);
    for (const auto& [link, address] : peer.ways) engine_.add_path(*id, link, address, at);
    present_.emplace_back(*id, peer);
  }
  for (const auto& [id, peer] : plan.widened) {
    for (const auto& [link, address] : peer.ways) engine_.add_path(id, link, address, at);
    std::ranges::find(present_, id, [](const auto& entry) { return entry.first; })->second = peer;
  }
  return outcome;
}

}  // namespace qnet::agent
