// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_workload.hpp"

#include <algorithm>
#include <cstring>

#include "transport/core/credit.hpp"
#include "transport/core/send_queue.hpp"
#include "transport/core/sent_packets.hpp"
#include "transport/wire/message.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::sim {
namespace {

/// Front of every message; the rest follows from `number`.
struct Envelope {
  std::uint64_t number = 0;
  std::uint64_t run = 0;
  std::uint32_t order = 0;
  std::uint32_t is_reply = 0;
};

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// The words behind an envelope: no word comes twice in one run, so that nothing can be mistaken for anything else.
class Pattern {
 public:
  explicit Pattern(const Envelope& envelope) : word_(mix(envelope.number * 2 + envelope.is_reply)) {}
  std::uint64_t next() { return word_ += 0x9e3779b97f4a7c15u; }

 private:
  std::uint64_t word_;
};

Buffer compose(const Envelope& envelope, std::size_t size_bytes) {
  Buffer body(std::max(size_bytes, sizeof envelope));
  std::memcpy(body.data(), &envelope, sizeof envelope);
  Pattern pattern(envelope);
  for (std::size_t i = sizeof envelope; i < body.size(); i += 8) {
    const std::uint64_t word = pattern.next();
    std::memcpy(body.data() + i, &word, std::min<std::size_t>(8, body.size() - i));
  }
  return body;
}

bool is_exact(const Buffer& body, Envelope& envelope) {
  if (body.size() < sizeof envelope) return false;
  std::memcpy(&envelope, body.data(), sizeof envelope);
  Pattern pattern(envelope);
  std::uint64_t difference = 0;
  for (std::size_t i = sizeof envelope; i < body.size(); i += 8) {
    const std::size_t bytes = std::min<std::size_t>(8, body.size() - i);
    const std::uint64_t expected = pattern.next();
    std::uint64_t word = expected;
    std::memcpy(&word, body.data() + i, bytes);
    difference |= word ^ expected;
  }
  return difference == 0;
}

}  // namespace

SimWorkload::SimWorkload(WorkloadOptions options, NetworkOptions network)
    : options_(options), network_(network, *this), served_(network.nodes), lives_(network.nodes) {
  for (std::size_t node = 0; node < network.nodes; ++node) {
    for (std::size_t peer = 0; peer < network.nodes; ++peer) {
      for (std::size_t i = 0; node != peer && i < options.connections; ++i) {
        clients_.push_back({.node = node, .peer = peer});
      }
    }
  }
}

void SimWorkload::start() {
  for (std::size_t node = 0; node < network_.node_count(); ++node) network_.start(node);
  resume();
}

void SimWorkload::resume() {
  is_stopping_ = false;
  for (std::size_t client = 0; client < clients_.size(); ++client) {
    for (std::size_t i = 0; i < options_.depth; ++i) think(client);
  }
}

void SimWorkload::complain(const std::string& what) {
  if (violations_.size() < kViolationsMax) violations_.push_back(what);
}

void SimWorkload::think(std::size_t client) {
  if (is_stopping_) return;
  const Duration pause(network_.random(static_cast<std::uint64_t>(options_.think_max.count()) + 1));
  network_.after(pause, [this, client] { call(client); });
}

void SimWorkload::call(std::size_t index) {
  if (is_stopping_) return;
  Client& client = clients_[index];
  if (client.outstanding >= options_.depth) return;
  if (!network_.is_running(client.node)) return think(index);
  core::Engine& engine = network_.engine(client.node);
  const PeerId peer = network_.peer_id(client.node, client.peer);
  if (!engine.is_up(peer)) return think(index);
  if (client.connection.is_none()) {
    const Status opened = open(client, peer);
    if (!opened && client.only_link && opened.error().code == ENETDOWN) return think(index);
    if (!opened) return complain("open_connection failed although the peer is up");
  }
  const std::uint64_t number = next_number_++;
  const bool is_bulk = network_.happens(options_.bulk_share);
  const std::size_t size = network_.random(is_bulk ? options_.bulk_bytes_max : options_.small_bytes_max);
  const Status sent = engine.send(peer, client.incarnation, client.connection, true, 0,
                                  compose({number, client.run, client.sent, 0}, size), network_.now_at(client.node));
  if (!sent && client.only_link && sent.error().code == ENETDOWN) return think(index);
  if (!sent) return complain("send failed although the peer is up");
  ++client.sent;
  ++client.outstanding;
  calls_[number] = {index, client.run, client.only_link, network_.now(), network_.now(), true};
  network_.pump(client.node);
}

Status SimWorkload::open(Client& client, PeerId peer) {
  static constexpr std::string_view kPolicies[] = {"preferred", "exclusive", "redundant"};
  std::string_view policy;
  std::string link;
  client.only_link.reset();
  if (options_.has_policies && network_.happens(0.5)) {
    policy = kPolicies[network_.random(std::size(kPolicies))];
    const std::size_t number = network_.random(network_.link_count());
    if (policy != "redundant") link = "en" + std::to_string(number);
    if (policy == "exclusive") client.only_link = number;
  }
  core::Engine& engine = network_.engine(client.node);
  const Result<ConnectionId> opened = engine.open_connection(peer, policy, link, network_.now_at(client.node));
  if (!opened) return fail(opened.error());
  client.connection = *opened;
  client.incarnation = engine.incarnation_of(peer);
  client.run = next_run_++;
  client.sent = 0;
  const Stream stream{client.node, client.peer, opened->value};
  only_links_.erase(stream);
  if (client.only_link)
    only_links_[stream] = {*client.only_link, network_.incarnation(client.node), client.incarnation};
  return {};
}

void SimWorkload::on_carried(std::size_t source, std::size_t target, std::size_t link, ByteView datagram) {
  if (only_links_.empty()) return;
  const Result<wire::PacketHeader> header = wire::decode_header(datagram);
  if (!header || header->type != wire::PacketType::kData) return;
  const auto check = [&](std::uint32_t connection, bool is_by_opener) {
    check_link({is_by_opener ? source : target, is_by_opener ? target : source, connection}, link);
  };
  wire::FrameReader frames(datagram.subspan(wire::PacketHeader::kBytes, header->payload_bytes));
  for (wire::FrameView frame; frames.next(frame);) {
    if (frame.type == wire::FrameType::kData) {
      const wire::DataFrame data = *wire::decode_data(frame.body);
      check(data.connection, data.direction == wire::Direction::kRequest);
    } else if (frame.type == wire::FrameType::kClose) {
      const wire::CloseFrame close = *wire::decode_close(frame.body);
      check(close.connection, close.direction == wire::Direction::kRequest);
    } else if (frame.type == wire::FrameType::kCredit) {
      const wire::CreditFrame credit = *wire::decode_credit(frame.body);
      check(credit.connection, credit.direction == wire::Direction::kReply);
    }
  }
}

void SimWorkload::check_link(const Stream& stream, std::size_t link) {
  const auto only = only_links_.find(stream);
  if (only == only_links_.end() || only->second.link == link) return;
  if (only->second.opener != network_.incarnation(stream.opener)) return;
  if (only->second.other != network_.incarnation(stream.other)) return;
  complain("(d) exclusive connection " + std::to_string(stream.connection) + " of node " +
           std::to_string(stream.opener) + " uses link " + std::to_string(link));
}

void SimWorkload::on_connection_lost(std::size_t node, const core::ConnectionLost& lost) {
  const std::size_t peer = network_.node_of(node, lost.peer);
  if (options_.must_not_fail) complain("ConnectionLost although nothing is wrong");
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    Client& client = clients_[i];
    if (client.node != node || client.peer != peer || client.connection != lost.connection) continue;
    if (!client.only_link) complain("ConnectionLost of a connection that may use every link");
    fail_calls_if([&](const Call& call) { return call.client == i && call.run == client.run; });
    network_.engine(node).close_connection(lost.peer, lost.connection, network_.now_at(node));
    client.connection = {};
  }
}

void SimWorkload::on_event(std::size_t node, core::Event& event) {
  if (auto* message = std::get_if<core::MessageArrived>(&event)) {
    message->is_own ? on_reply(node, *message) : on_request(node, *message);
  } else if (auto* lost = std::get_if<core::ConnectionLost>(&event)) {
    on_connection_lost(node, *lost);
  } else if (auto* down = std::get_if<core::PeerDown>(&event)) {
    ++peers_lost_;
    const std::size_t peer = network_.node_of(node, down->peer);
    if (options_.must_not_fail) complain("PeerDown: " + std::string(core::text_of(down->reason)));
    fail_calls(node, peer);
    // Half of the users go on with their connections when the peer comes back, the others start anew.
    if (network_.happens(0.5)) forget_connections(node, peer, true);
  } else if (auto* gone = std::get_if<core::PeerGone>(&event)) {
    forget_connections(node, network_.node_of(node, gone->peer), false);
    if (lives_[node].erase(network_.node_of(node, gone->peer)) == 0) complain("(f) PeerGone of a life that was not up");
  } else if (auto* up = std::get_if<core::PeerUp>(&event)) {
    const auto [life, is_new] = lives_[node].try_emplace(network_.node_of(node, up->peer), up->incarnation);
    if (life->second != up->incarnation) complain("(f) PeerUp of a new life before PeerGone of the old one");
  }
}

void SimWorkload::on_request(std::size_t node, core::MessageArrived& message) {
  Envelope envelope;
  if (!is_exact(message.body, envelope) || envelope.is_reply != 0) return complain("(c) a request arrived damaged");
  const auto life = lives_[node].find(network_.node_of(node, message.peer));
  if (life == lives_[node].end() || life->second != message.incarnation) {
    complain("(f) request " + std::to_string(envelope.number) + " of a life that is not up");
  }
  if (++executions_[envelope.number] > 1) complain("(a) request " + std::to_string(envelope.number) + " ran twice");
  std::uint32_t& expected = served_[node][envelope.run];
  if (envelope.order != expected) complain("(b) request " + std::to_string(envelope.number) + " out of order");
  expected = envelope.order + 1;

  const bool is_bulk = network_.happens(options_.bulk_share);
  const std::size_t size = network_.random(is_bulk ? options_.bulk_bytes_max : options_.small_bytes_max);
  const Duration work(network_.random(static_cast<std::uint64_t>(options_.work_max.count()) + 1));
  const Incarnation own = network_.incarnation(node);
  network_.after(work, [this, node, own, envelope, size, peer = message.peer, from = message.incarnation,
                        connection = message.connection] {
    if (!network_.is_running(node) || network_.incarnation(node) != own) return;
    // Fails when the caller's life has ended meanwhile, as it should.
    static_cast<void>(network_.engine(node).send(peer, from, connection, false, 0,
                                                 compose({envelope.number, envelope.run, envelope.order, 1}, size),
                                                 network_.now_at(node)));
    network_.pump(node);
  });
}

void SimWorkload::on_reply(std::size_t node, core::MessageArrived& message) {
  Envelope envelope;
  if (!is_exact(message.body, envelope) || envelope.is_reply != 1) return complain("(c) a reply arrived damaged");
  const auto found = calls_.find(envelope.number);
  if (found == calls_.end()) return;  // Its call has failed before.
  if (clients_[found->second.client].node != node) return complain("(c) a reply went to a stranger");
  if (executions_[envelope.number] != 1) complain("(a) success without execution");
  finish(envelope.number, true);
}

void SimWorkload::finish(std::uint64_t number, bool is_success) {
  const Call call = calls_.at(number);
  calls_.erase(number);
  is_success ? ++succeeded_ : ++failed_;
  Client& client = clients_[call.client];
  --client.outstanding;
  if (is_success && client.run == call.run && client.outstanding == 0 && network_.happens(options_.close_share)) {
    network_.engine(client.node)
        .close_connection(network_.peer_id(client.node, client.peer), client.connection, network_.now_at(client.node));
    client.connection = {};
  }
  think(call.client);
}

void SimWorkload::fail_calls(std::size_t node, std::size_t peer) {
  fail_calls_if(
      [&](const Call& call) { return clients_[call.client].node == node && clients_[call.client].peer == peer; });
}

template <class Condition>
void SimWorkload::fail_calls_if(Condition&& condition) {
  std::vector<std::uint64_t> failing;
  for (const auto& [number, call] : calls_) {
    if (condition(call)) failing.push_back(number);
  }
  std::sort(failing.begin(), failing.end());  // The map's order depends on the library, a run must not.
  for (const std::uint64_t number : failing) finish(number, false);
}

void SimWorkload::forget_connections(std::size_t node, std::size_t peer, bool with_close) {
  for (Client& client : clients_) {
    if (client.node != node || client.peer != peer || client.connection.is_none()) continue;
    if (with_close) {
      network_.engine(node).close_connection(network_.peer_id(node, peer), client.connection, network_.now_at(node));
    }
    client.connection = {};
  }
}

void SimWorkload::on_crash(std::size_t node) {
  for (std::size_t peer = 0; peer < network_.node_count(); ++peer) {
    if (peer == node) continue;
    fail_calls(node, peer);
    forget_connections(node, peer, false);
  }
  served_[node].clear();
  lives_[node].clear();
}

bool SimWorkload::is_reachable(const Client& client, const Call& call) const {
  if (!network_.is_running(client.peer) || network_.is_paused(client.peer)) return false;
  if (call.only_link) return network_.is_connected(client.node, client.peer, *call.only_link);
  return network_.is_connected(client.node, client.peer);
}

void SimWorkload::check_liveness() {
  for (auto& [number, call] : calls_) {
    const Client& client = clients_[call.client];
    const bool is_now = is_reachable(client, call);
    if (network_.is_paused(client.node)) call.since = network_.now();
    if (is_now != call.was_reachable) call.since = network_.now();
    call.was_reachable = is_now;
    const Duration limit = is_now ? kSuccessWithin : kErrorWithin;
    if (network_.now() - call.since > limit) {
      complain("(e) call " + std::to_string(number) + " hangs, its peer is " +
               (is_now ? "reachable" : "not reachable"));
      call.since = network_.now();
    }
  }
}

void SimWorkload::check_holdings() {
  const core::EngineConfig& config = network_.config();
  const std::uint64_t credit = std::max<std::uint64_t>(config.session_credit_bytes, 2 * wire::kMessageBytesMax);
  const std::uint64_t message =
      std::max(options_.bulk_bytes_max, options_.small_bytes_max) + core::kMessageOverheadBytes;
  const std::uint64_t calls = options_.connections * options_.depth;
  for (std::size_t node = 0; node < network_.node_count(); ++node) {
    if (!network_.is_running(node) || network_.is_paused(node)) continue;
    const core::EngineHoldings holds = network_.engine(node).holdings();
    const std::uint64_t sessions = holds.sessions;
    const auto check = [&](const char* what, std::uint64_t held, std::uint64_t bound) {
      if (held <= bound) return;
      complain("(g) node " + std::to_string(node) + " holds " + std::to_string(held) + " " + what + ", allowed are " +
               std::to_string(bound));
    };
    check("sessions", sessions, network_.node_count() - 1);
    check("bytes received", holds.received_bytes, sessions * (credit + core::kSessionOverrunBytes));
    // What was asked before a peer was lost waits with the session, so there is a round of calls per loss; and a reply
    // may overtake the acknowledgement of its request.
    check("bytes of requests", holds.request_bytes, sessions * (peers_lost_ + 2) * calls * message);
    check("bytes of replies", holds.reply_bytes, sessions * (credit + calls * (peers_lost_ + 1) * message));
    check("packets", holds.packets_unsettled, sessions * network_.link_count() * core::SentPackets::kPacketsMax);
    check("events", holds.events, 0);
    check("control packets", holds.control_packets, 0);
  }
}

std::size_t SimWorkload::connections_open(std::size_t node) const {
  return static_cast<std::size_t>(std::count_if(clients_.begin(), clients_.end(), [node](const Client& client) {
    return (client.node == node || client.peer == node) && !client.connection.is_none() && client.sent > 0;
  }));
}

void SimWorkload::check_quiet() {
  for (std::size_t node = 0; node < network_.node_count(); ++node) {
    const core::EngineHoldings holds = network_.engine(node).holdings();
    if (holds.received_bytes + holds.request_bytes + holds.reply_bytes > 0) {
      complain("(g) node " + std::to_string(node) + " holds " + std::to_string(holds.received_bytes) + ", " +
               std::to_string(holds.request_bytes) + ", " + std::to_string(holds.reply_bytes) + " bytes when quiet");
    }
    if (holds.connections != connections_open(node)) {
      complain("(g) node " + std::to_string(node) + " knows " + std::to_string(holds.connections) + " connections, " +
               std::to_string(connections_open(node)) + " are open");
    }
    if (lives_[node].size() != network_.node_count() - 1)
      complain("(f) node " + std::to_string(node) + " misses a life");
    for (const auto& [peer, life] : lives_[node]) {
      if (life != network_.incarnation(peer)) complain("(f) a life that has ended was never gone");
    }
  }
}

bool SimWorkload::is_every_link_up() {
  for (std::size_t node = 0; node < network_.node_count(); ++node) {
    for (std::size_t peer = 0; peer < network_.node_count(); ++peer) {
      if (peer == node) continue;
      for (const core::PathView& path : network_.engine(node).paths_of(network_.peer_id(node, peer))) {
        if (!path.is_up) return false;
      }
    }
  }
  return true;
}

bool SimWorkload::is_everybody_up() {
  for (std::size_t node = 0; node < network_.node_count(); ++node) {
    for (std::size_t peer = 0; peer < network_.node_count(); ++peer) {
      if (peer == node) continue;
      if (!network_.is_running(node) || !network_.engine(node).is_up(network_.peer_id(node, peer))) return false;
    }
  }
  return true;
}

}  // namespace qnet::sim
