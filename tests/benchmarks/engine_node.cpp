// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/engine_node.hpp"

#include <algorithm>
#include <random>

#include "tests/benchmarks/measure.hpp"

namespace qnet::bench {
namespace {

constexpr int kRoundsMax = 16;

core::LocalNode make_identity(const std::string& name) {
  std::random_device random;
  NodeId id;
  for (std::byte& byte : id.bytes) byte = static_cast<std::byte>(random());
  const auto started = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  return {id, name, Incarnation{started}};
}

core::Engine::Random make_random() {
  return [generator = std::mt19937_64(std::random_device{}())]() mutable { return generator(); };
}

}  // namespace

EngineNode::EngineNode(const Settings& settings)
    : reactor_(io_, settings.busy_wait),
      engine_(make_identity(settings.name), {}, make_random()),
      pump_(reactor_, engine_) {
  if (settings.own.size() != settings.peer.size()) give_up("as many own addresses as addresses of the peer");
  for (std::size_t i = 0; i < settings.own.size(); ++i) {
    auto driver = link::make_link_driver("udp:" + settings.own[i]);
    if (!driver || !pump_.add({.name = "en" + std::to_string(i)}, std::move(*driver)))
      give_up("no link " + settings.own[i]);
  }
  if (!pump_.watch_interfaces()) give_up("no news of interfaces");
  const Instant at = agent::now();
  peer_ = *engine_.add_peer(settings.peer_name, at);
  for (std::size_t i = 0; i < settings.peer.size(); ++i) {
    const LinkId link{static_cast<std::uint8_t>(i)};
    const auto address = pump_.driver_of(link).parse_address(settings.peer[i]);
    if (!address) give_up("no address " + settings.peer[i]);
    engine_.add_path(peer_, link, *address, at);
  }
}

void EngineNode::run(std::function<void(core::MessageArrived, Instant)> on_message,
                     std::function<std::optional<Instant>(Instant)> on_turn) {
  on_message_ = std::move(on_message);
  on_turn_ = std::move(on_turn);
  reactor_.start([this] { return settle(); });
  io_.run();
}

void EngineNode::stop() {
  engine_.say_goodbye(agent::now());
  pump_.flush_all(agent::now());
  reactor_.stop();
  io_.stop();
}

ConnectionId EngineNode::connect(const std::string& policy, const std::string& link, Instant at) {
  const Result<ConnectionId> connection = engine_.open_connection(peer_, policy, link, at);
  if (!connection) give_up("no connection: " + std::string(connection.error().where));
  return *connection;
}

void EngineNode::send(ConnectionId connection, Buffer body, Instant at) {
  static_cast<void>(
      engine_.send(peer_, engine_.incarnation_of(peer_), connection, true, kPriorityNormal, std::move(body), at));
}

void EngineNode::answer(const core::MessageArrived& request, Buffer body, Instant at) {
  static_cast<void>(
      engine_.send(request.peer, request.incarnation, request.connection, false, kPriorityNormal, std::move(body), at));
}

std::optional<Instant> EngineNode::settle() {
  Instant at = agent::now();
  std::optional<Instant> next_turn;
  bool has_more = true;
  for (int round = 0; round < kRoundsMax && has_more; ++round) {
    has_more = false;
    if (const auto due = engine_.deadline(); due && *due <= at) engine_.on_time(at);
    while (std::optional<core::Event> event = engine_.next_event()) {
      has_more = true;
      if (auto* message = std::get_if<core::MessageArrived>(&*event)) on_message_(std::move(*message), at);
      const bool is_lost =
          std::holds_alternative<core::PeerDown>(*event) || std::holds_alternative<core::PeerGone>(*event);
      if (is_lost && !lost_at_) lost_at_ = agent::now();
    }
    next_turn = on_turn_(at);
    has_more |= pump_.flush(at);
  }
  if (has_more) return at;
  const std::optional<Instant> due = engine_.deadline();
  return due && next_turn ? std::min(*due, *next_turn) : due ? due : next_turn;
}

}  // namespace qnet::bench
