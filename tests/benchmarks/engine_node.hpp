// SPDX-License-Identifier: Apache-2.0
//
// engine_node.hpp: what does the transport need to run on a node, with no agent around it?
//
// Engine, drivers and reactor put together as qnetd does it, for one peer. Links are called en0, en1, … in the order of
// the addresses.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/link_pump.hpp"
#include "agent/reactor.hpp"
#include "transport/core/engine.hpp"

namespace qnet::bench {

class EngineNode {
 public:
  struct Settings {
    std::string name, peer_name;
    std::vector<std::string> own, peer;  ///< addresses, one per link: "10.71.0.1:7010"
    Duration busy_wait{};
  };

  explicit EngineNode(const Settings& settings);

  /// Runs until stop(). `on_message` gets every message; `on_turn` is called whenever something has happened or its own
  /// deadline, which it returns, has come.
  void run(std::function<void(core::MessageArrived, Instant)> on_message,
           std::function<std::optional<Instant>(Instant)> on_turn);
  void stop();

  bool is_up() const { return engine_.is_up(peer_); }
  /// When the peer was lost, or found to be another life; nothing if it never was.
  std::optional<Instant> lost_at() const { return lost_at_; }
  /// Ends the program if it cannot be.
  ConnectionId connect(const std::string& policy, const std::string& link, Instant at);
  /// A request, or the answer to what came in `request`. A session that has ended takes nothing: not an error here.
  void send(ConnectionId connection, Buffer body, Instant at);
  void answer(const core::MessageArrived& request, Buffer body, Instant at);

  const core::EngineStatistics& statistics() const { return engine_.statistics(); }

 private:
  std::optional<Instant> settle();

  boost::asio::io_context io_;
  agent::Reactor reactor_;
  core::Engine engine_;
  agent::LinkPump pump_;
  PeerId peer_;
  std::optional<Instant> lost_at_;
  std::function<void(core::MessageArrived, Instant)> on_message_;
  std::function<std::optional<Instant>(Instant)> on_turn_;
};

}  // namespace qnet::bench
