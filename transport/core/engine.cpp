// SPDX-License-Identifier: Apache-2.0
#include "transport/core/engine.hpp"

#include <algorithm>

#include "transport/core/context.hpp"
#include "transport/core/peer.hpp"
#include "transport/core/qos_policy.hpp"
#include "transport/wire/message.hpp"

namespace qnet::core {
namespace {

constexpr std::size_t kPeersLimit = kSlotMask + 1;
/// Later than that at a timer, and it was us who stood still.
constexpr Duration kStallNoticed = std::chrono::milliseconds(5);
/// Packets of unknown sessions that are answered.
constexpr unsigned kResetsPerSecond = 100;
/// Whole messages always fit into a credit, whatever was configured.
constexpr std::size_t kCreditFloor = 2 * wire::kMessageBytesMax;

void count_wake(EngineStatistics& statistics, Duration late) {
  using std::chrono::milliseconds;
  ++statistics.wakes;
  if (late > milliseconds(1)) ++statistics.wakes_late_1ms;
  if (late > kStallNoticed) ++statistics.wakes_late_5ms;
  if (late > milliseconds(20)) ++statistics.wakes_late_20ms;
  if (late > milliseconds(100)) ++statistics.wakes_late_100ms;
  const auto late_us = std::chrono::duration_cast<std::chrono::microseconds>(late).count();
  statistics.wake_latest_us = std::max(statistics.wake_latest_us, static_cast<std::uint64_t>(late_us));
}

}  // namespace

std::string_view text_of(DownReason reason) {
  switch (reason) {
    case DownReason::kNeverSeen:
      return "never heard";
    case DownReason::kSilent:
      return "silent";
    case DownReason::kRefused:
      return "refused";
    case DownReason::kRestarted:
      return "restarted";
    case DownReason::kGoodbye:
      return "goodbye";
    case DownReason::kVersion:
      return "no common version";
    case DownReason::kRemoved:
      return "removed";
  }
  return "unknown";
}

class Engine::Implementation {
 public:
  Implementation(LocalNode node, EngineConfig config, Random random) {
    config.connection_credit_bytes = std::max(config.connection_credit_bytes, kCreditFloor);
    config.session_credit_bytes = std::max(config.session_credit_bytes, kCreditFloor);
    config.peers_max = std::min(config.peers_max, kPeersLimit);
    context_.node = std::move(node);
    context_.config = config;
    context_.random = std::move(random);
    staging_.resize(Session::kBatchBytesMax + Path::kDatagramBytesMax);
  }

  struct Entry {
    std::unique_ptr<Peer> peer;
    bool is_ready = false;  // in ready_
  };

  void touch(Entry& entry) {
    if (entry.is_ready) return;
    entry.is_ready = true;
    ready_.push_back(static_cast<std::uint32_t>(&entry - peers_.data()));
  }
  Entry* find(PeerId id) { return id.value < peers_.size() ? &peers_[id.value] : nullptr; }
  const Entry* find(PeerId id) const { return id.value < peers_.size() ? &peers_[id.value] : nullptr; }
  Session* session_of(PeerId id) {
    Entry* entry = find(id);
    return entry == nullptr ? nullptr : entry->peer->session();
  }

  void on_hello(const wire::PacketHeader& header, ByteView payload, LinkId link, const Address& from, Instant now);
  void on_reset(ByteView payload, LinkId link, const Address& from, Instant now);
  void on_data(const wire::PacketHeader& header, ByteView payload, LinkId link, const Address& from, Instant now);
  std::optional<Instant> deadline() const;

  Context context_;
  std::vector<Entry> peers_;
  RingQueue<std::uint32_t> ready_;
  ControlPacket control_in_hand_;
  std::vector<std::byte> staging_;
  Instant now_{};       // of the latest input
  Instant timed_at_{};  // of the latest on_time()
  Instant resets_since_{};
  unsigned resets_ = 0;
};

void Engine::Implementation::on_hello(const wire::PacketHeader& header, ByteView payload, LinkId link,
                                      const Address& from, Instant now) {
  const Result<wire::Hello> hello = wire::decode<wire::Hello>(payload);
  if (!hello) {
    ++context_.statistics.datagrams_malformed;
    return;
  }
  if (context_.is_leaving || hello->node == context_.node.id) return;
  for (Entry& entry : peers_) {
    if (entry.peer->is_removed() || entry.peer->name() != hello->name) continue;
    entry.peer->on_hello(header, *hello, link, from, now);
    touch(entry);
    return;
  }
  ++context_.statistics.datagrams_unknown;
}

void Engine::Implementation::on_reset(ByteView payload, LinkId link, const Address& from, Instant now) {
  if (!wire::decode<wire::Reset>(payload)) {
    ++context_.statistics.datagrams_malformed;
    return;
  }
  if (context_.is_leaving) return;
  for (Entry& entry : peers_) entry.peer->on_reset(link, from, now);
}

void Engine::Implementation::on_data(const wire::PacketHeader& header, ByteView payload, LinkId link,
                                     const Address& from, Instant now) {
  Entry* entry = find(PeerId{header.session & kSlotMask});
  if (entry != nullptr && entry->peer->accepts(header.session)) {
    entry->peer->on_packet(header, payload, link, from, now);
    touch(*entry);
    return;
  }
  ++context_.statistics.datagrams_unknown;
  if (context_.is_leaving) return;
  if (now - resets_since_ >= std::chrono::seconds(1)) {
    resets_since_ = now;
    resets_ = 0;
  }
  if (resets_++ < kResetsPerSecond) send_reset(context_, header, link, from, now);
}

std::optional<Instant> Engine::Implementation::deadline() const {
  std::optional<Instant> first;
  for (const Entry& entry : peers_) {
    const std::optional<Instant> when = entry.peer->deadline(entry.is_ready, now_);
    if (when && (!first || *when < *first)) first = when;
  }
  return first;
}

Engine::Engine(LocalNode node, EngineConfig config, Random random)
    : implementation_(std::make_unique<Implementation>(std::move(node), config, std::move(random))) {}
Engine::~Engine() = default;

LinkId Engine::add_link(LinkProperties properties) {
  std::vector<LinkProperties>& links = implementation_->context_.links;
  QNET_CHECK(links.size() < kLinksMax && properties.datagram_bytes_max >= wire::kHelloBytesMax);
  links.push_back(std::move(properties));
  return LinkId{static_cast<std::uint8_t>(links.size() - 1)};
}

Result<PeerId> Engine::add_peer(std::string_view name, Instant) {
  auto& peers = implementation_->peers_;
  // Whoever takes over a number goes on with its epochs, so that the same peer, back again, is believed at once.
  const auto preference = [name](const Peer& peer) {
    if (!peer.is_removed()) return peer.name() == name ? 3 : 0;
    return peer.name() == name ? 2 : 1;
  };
  const auto best = std::ranges::max_element(peers, {}, [&](const auto& entry) { return preference(*entry.peer); });
  const int found = best == peers.end() ? 0 : preference(*best->peer);
  if (found == 3 || name == implementation_->context_.node.name) return fail(EEXIST, "add_peer");
  if (found != 0) {
    best->peer->revive(name);
    return PeerId{static_cast<std::uint32_t>(best - peers.begin())};
  }
  if (peers.size() >= implementation_->context_.config.peers_max) return fail(ENOSPC, "add_peer");
  const PeerId id{static_cast<std::uint32_t>(peers.size())};
  peers.push_back({std::make_unique<Peer>(implementation_->context_, id, name), false});
  return id;
}

void Engine::remove_peer(PeerId peer, Instant now) {
  implementation_->now_ = now;
  if (auto* entry = implementation_->find(peer)) entry->peer->remove(now);
}

void Engine::add_path(PeerId peer, LinkId link, const Address& address, Instant now) {
  implementation_->now_ = now;
  QNET_CHECK(link.value < implementation_->context_.links.size());
  if (auto* entry = implementation_->find(peer)) entry->peer->add_path(link, address, now);
}

void Engine::on_datagram(LinkId link, const Address& from, ByteView datagram, Instant now) {
  Implementation& self = *implementation_;
  self.now_ = now;
  ++self.context_.statistics.datagrams_received;
  self.context_.statistics.bytes_received += datagram.size();
  const Result<wire::PacketHeader> header = wire::decode_header(datagram);
  if (!header || link.value >= self.context_.links.size()) {
    ++self.context_.statistics.datagrams_malformed;
    return;
  }
  const bool has_crc = (header->flags & wire::packet_flags::kCrc) != 0;
  if (has_crc ? !wire::is_crc_right(*header, datagram) : self.context_.links[link.value].has_crc) {
    ++self.context_.statistics.datagrams_corrupt;
    return;
  }
  const ByteView payload = datagram.subspan(wire::PacketHeader::kBytes, header->payload_bytes);
  switch (header->type) {
    case wire::PacketType::kData:
      return self.on_data(*header, payload, link, from, now);
    case wire::PacketType::kHello:
    case wire::PacketType::kHelloAck:
      return self.on_hello(*header, payload, link, from, now);
    case wire::PacketType::kReset:
      return self.on_reset(payload, link, from, now);
    default:
      ++self.context_.statistics.datagrams_malformed;
      return;
  }
}

void Engine::on_time(Instant now) {
  Implementation& self = *implementation_;
  const std::optional<Instant> planned = self.deadline();
  self.now_ = now;
  if (planned && *planned <= now) {
    const Duration stall = now - std::max(*planned, self.timed_at_);
    count_wake(self.context_.statistics, stall);
    for (auto& entry : self.peers_) {
      if (stall > kStallNoticed) entry.peer->shift(stall, now);
    }
  }
  self.timed_at_ = now;
  for (auto& entry : self.peers_) {
    entry.peer->on_time(now);
    self.touch(entry);
  }
}

void Engine::on_send_error(LinkId link, const Address& to, int error, Instant now) {
  implementation_->now_ = now;
  for (auto& entry : implementation_->peers_) {
    entry.peer->on_send_error(link, to, error, now);
    implementation_->touch(entry);
  }
}

void Engine::on_link_condition(LinkId link, const LinkCondition& condition, Instant now) {
  Implementation& self = *implementation_;
  self.now_ = now;
  QNET_CHECK(link.value < self.context_.links.size() && condition.datagram_bytes_max >= wire::kHelloBytesMax);
  LinkProperties& properties = self.context_.links[link.value];
  properties.fault = condition.fault;
  properties.datagram_bytes_max = condition.datagram_bytes_max;
  for (auto& entry : self.peers_) {
    entry.peer->on_link_condition(link, now);
    self.touch(entry);
  }
}

bool Engine::is_up(PeerId peer) const {
  const auto* entry = std::as_const(*implementation_).find(peer);
  return entry != nullptr && entry->peer->is_up();
}
Incarnation Engine::incarnation_of(PeerId peer) const {
  const auto* entry = std::as_const(*implementation_).find(peer);
  return entry == nullptr ? Incarnation{} : entry->peer->incarnation();
}
DownReason Engine::down_reason_of(PeerId peer) const {
  const auto* entry = std::as_const(*implementation_).find(peer);
  return entry == nullptr ? DownReason::kNeverSeen : entry->peer->down_reason();
}

Result<ConnectionId> Engine::open_connection(PeerId peer, std::string_view policy, std::string_view link, Instant now) {
  implementation_->now_ = now;
  const Result<Policy> parsed = parse_policy(policy, link, implementation_->context_.links);
  if (!parsed) return fail(parsed.error());
  if (!is_up(peer)) return fail(EHOSTDOWN, "open_connection");
  return implementation_->session_of(peer)->open_connection(*parsed, now);
}

Status Engine::check_policy(const NodeTarget& target) const {
  const Result<Policy> parsed = parse_policy(target, implementation_->context_.links);
  return parsed ? Status() : fail(parsed.error());
}

void Engine::close_connection(PeerId peer, ConnectionId connection, Instant now) {
  implementation_->now_ = now;
  Session* session = implementation_->session_of(peer);
  if (session == nullptr) return;
  session->close_connection(connection);
  implementation_->touch(*implementation_->find(peer));
}

Status Engine::send(PeerId peer, Incarnation incarnation, ConnectionId connection, bool is_own, Priority priority,
                    Buffer body, Instant now) {
  implementation_->now_ = now;
  Session* session = implementation_->session_of(peer);
  if (session == nullptr) return fail(EHOSTDOWN, "Engine::send");
  if (session->terms().incarnation != incarnation) return fail(ESTALE, "Engine::send");
  implementation_->touch(*implementation_->find(peer));
  return session->send(connection, is_own, priority, std::move(body), now);
}

void Engine::say_goodbye(PeerId peer, Instant now) {
  implementation_->now_ = now;
  auto* entry = implementation_->find(peer);
  if (entry == nullptr) return;
  entry->peer->say_goodbye();
  implementation_->touch(*entry);
}

void Engine::say_goodbye(Instant now) {
  implementation_->now_ = now;
  implementation_->context_.is_leaving = true;
  for (auto& entry : implementation_->peers_) {
    entry.peer->say_goodbye();
    implementation_->touch(entry);
  }
}

std::optional<Transmit> Engine::next_transmit(Instant now) {
  Implementation& self = *implementation_;
  EngineStatistics& statistics = self.context_.statistics;
  if (!self.context_.control.empty()) {
    self.control_in_hand_ = self.context_.control.pop_front();
    const ControlPacket& packet = self.control_in_hand_;
    ++statistics.datagrams_sent;
    statistics.bytes_sent += packet.size_bytes;
    return Transmit{packet.link, packet.to, packet.size_bytes, ByteView(packet.bytes).first(packet.size_bytes)};
  }
  while (!self.ready_.empty()) {
    const std::uint32_t index = self.ready_.pop_front();
    Implementation::Entry& entry = self.peers_[index];
    std::optional<Transmit> batch = entry.peer->next_transmit(self.staging_, now);
    if (!batch) {
      entry.is_ready = false;
      continue;
    }
    self.ready_.push_back(index);  // Its turn comes again after the others'.
    statistics.datagrams_sent += (batch->datagrams.size() + batch->segment_bytes - 1) / batch->segment_bytes;
    statistics.bytes_sent += batch->datagrams.size();
    return batch;
  }
  return std::nullopt;
}

std::optional<Event> Engine::next_event() {
  if (implementation_->context_.events.empty()) return std::nullopt;
  return implementation_->context_.events.pop_front();
}

std::optional<Instant> Engine::deadline() const {
  return implementation_->deadline();
}
const EngineStatistics& Engine::statistics() const {
  return implementation_->context_.statistics;
}

EngineHoldings Engine::holdings() const {
  EngineHoldings holdings;
  for (const auto& entry : implementation_->peers_) entry.peer->add_to(holdings);
  holdings.control_packets = implementation_->context_.control.size();
  holdings.events = implementation_->context_.events.size();
  return holdings;
}

std::vector<PathView> Engine::paths_of(PeerId peer) const {
  std::vector<PathView> views;
  const auto* entry = std::as_const(*implementation_).find(peer);
  if (entry == nullptr) return views;
  for (const auto& path : entry->peer->paths()) {
    const PathReason fault = reason_of(implementation_->context_.links[path->link.value].fault);
    const bool is_held = path->monitor.has_failed() && !path->monitor.is_usable();
    views.push_back({.link = path->link,
                     .address = path->address,
                     .state = path->monitor.state(),
                     .is_up = path->monitor.is_usable(),
                     .reason = fault != PathReason::kNone ? fault : path->monitor.reason(),
                     .since = path->monitor.since(),
                     .hold = is_held ? path->monitor.hold() : Duration::zero(),
                     .downs = path->monitor.downs(),
                     .has_round_trip = path->rtt.has_sample(),
                     .round_trip = path->rtt.smoothed(),
                     .variation = path->rtt.variation(),
                     .bytes_sent = path->bytes_sent,
                     .bytes_received = path->bytes_received,
                     .packets_sent = path->sent.next_number() - 1,
                     .frames_lost = path->sent.frames_lost(),
                     .bytes_per_second = static_cast<std::uint64_t>(path->congestion.rate()),
                     .in_flight_bytes = path->congestion.in_flight_bytes(),
                     .in_flight_bytes_max = path->congestion.cap_bytes(),
                     .unsent_bytes = entry->peer->unsent_bytes()});
  }
  return views;
}

}  // namespace qnet::core
