// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_network.hpp"

#include <algorithm>
#include <cerrno>

namespace qnet::sim {

SimNetwork::SimNetwork(NetworkOptions options, Application& application)
    : options_(options), application_(application), random_(options.seed), nodes_(options.nodes) {
  cuts_.assign(options.nodes * options.nodes * options.links, 0);
  bursts_.assign(cuts_.size(), 0);
  free_at_.assign(cuts_.size(), Instant{});
  links_ = options.link_faults;
  links_.resize(options.links, options.faults);
}

core::Address SimNetwork::address_of(std::size_t node, std::size_t link) {
  core::Address address;
  address.bytes[0] = static_cast<std::byte>(node + 1);
  address.bytes[1] = static_cast<std::byte>(link + 1);
  address.size_bytes = 2;
  return address;
}

PeerId SimNetwork::peer_id(std::size_t node, std::size_t peer) const {
  return PeerId{static_cast<std::uint32_t>(peer < node ? peer : peer - 1)};
}

std::size_t SimNetwork::node_of(std::size_t node, PeerId peer) const {
  return peer.value < node ? peer.value : peer.value + 1;
}

std::size_t SimNetwork::cut_index(std::size_t source, std::size_t target, std::size_t link) const {
  return (source * nodes_.size() + target) * options_.links + link;
}

void SimNetwork::set_cut(std::size_t source, std::size_t target, std::size_t link, bool is_cut) {
  cuts_[cut_index(source, target, link)] = is_cut ? 1 : 0;
}

void SimNetwork::set_carrier(std::size_t node, std::size_t link, bool has_carrier) {
  const std::uint32_t bit = 1u << link;
  if (has_carrier) nodes_[node].unplugged &= ~bit;
  else nodes_[node].unplugged |= bit;
  tell_condition(node, link);
}

void SimNetwork::tell_condition(std::size_t node, std::size_t link) {
  Node& self = nodes_[node];
  if (self.engine == nullptr) return;
  if (now() < self.paused_until) {
    post(self.paused_until, [this, node, link] { tell_condition(node, link); });
    return;
  }
  const bool has_carrier = (self.unplugged >> link & 1) == 0;
  const core::LinkCondition condition{has_carrier ? core::LinkFault::kNone : core::LinkFault::kNoCarrier,
                                      options_.datagram_bytes};
  self.engine->on_link_condition(LinkId{static_cast<std::uint8_t>(link)}, condition, now_at(node));
  if (happen(node)) pump(node);
}

bool SimNetwork::is_plugged(std::size_t a, std::size_t b, std::size_t link) const {
  return ((nodes_[a].unplugged | nodes_[b].unplugged) >> link & 1) == 0;
}

bool SimNetwork::is_connected(std::size_t a, std::size_t b) const {
  for (std::size_t link = 0; link < options_.links; ++link) {
    if (is_connected(a, b, link)) return true;
  }
  return false;
}

bool SimNetwork::is_connected(std::size_t a, std::size_t b, std::size_t link) const {
  return cuts_[cut_index(a, b, link)] == 0 && cuts_[cut_index(b, a, link)] == 0 && is_plugged(a, b, link);
}

void SimNetwork::start(std::size_t node) {
  Node& self = nodes_[node];
  ++self.life;
  self.paused_until = now();
  if (options_.clock_difference_max > Duration::zero()) {
    self.clock_offset = Duration(random(static_cast<std::uint64_t>(options_.clock_difference_max.count())));
  }
  self.incarnation = Incarnation{(self.incarnation.value & ~0xffffffffull) + (1ull << 32) + random(0xffffffff)};
  NodeId id;
  id.bytes[0] = static_cast<std::byte>(node + 1);
  self.engine = std::make_unique<core::Engine>(core::LocalNode{id, name_of(node), self.incarnation}, options_.config,
                                               [this] { return random_(); });
  for (std::size_t link = 0; link < options_.links; ++link) {
    const bool is_unplugged = (self.unplugged >> link & 1) != 0;
    self.engine->add_link({.name = "en" + std::to_string(link),
                           .datagram_bytes_max = options_.datagram_bytes,
                           .can_batch = options_.can_batch,
                           .fault = is_unplugged ? core::LinkFault::kNoCarrier : core::LinkFault::kNone,
                           .has_crc = (options_.crc_nodes >> node & 1) != 0});
  }
  for (std::size_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer == node) continue;
    const PeerId peer_id = *self.engine->add_peer(name_of(peer), now_at(node));
    for (std::size_t link = 0; link < options_.links; ++link) {
      self.engine->add_path(peer_id, LinkId{static_cast<std::uint8_t>(link)}, address_of(peer, link), now_at(node));
    }
  }
  pump(node);
}

void SimNetwork::crash(std::size_t node) {
  nodes_[node].engine.reset();
  nodes_[node].has_wake = false;
  nodes_[node].crash_in = 0;
  ++nodes_[node].life;
  application_.on_crash(node);
}

void SimNetwork::crash_after(std::size_t node, std::uint64_t happenings, Duration off) {
  nodes_[node].crash_in = happenings;
  nodes_[node].crash_off = off;
}

void SimNetwork::call_off_crashes() {
  for (Node& node : nodes_) node.crash_in = 0;
}

bool SimNetwork::happen(std::size_t node) {
  Node& self = nodes_[node];
  if (self.crash_in == 0 || --self.crash_in > 0) return true;
  crash(node);
  after(self.crash_off, [this, node] {
    if (!is_running(node)) start(node);
  });
  return false;
}

void SimNetwork::jump_clock(std::size_t node, Duration by) {
  nodes_[node].clock_offset += by;
  if (is_running(node)) arm(node);
}

void SimNetwork::pause(std::size_t node, Duration how_long) {
  nodes_[node].paused_until = std::max(nodes_[node].paused_until, now() + how_long);
}

void SimNetwork::post(Instant at, std::function<void()> action) {
  queue_.push({at, ++order_, std::move(action)});
}

void SimNetwork::after(Duration delay, std::function<void()> action) {
  post(now() + delay, std::move(action));
}

void SimNetwork::pump(std::size_t node) {
  Node& self = nodes_[node];
  if (self.engine == nullptr || now() < self.paused_until) return;
  const std::uint64_t life = self.life;
  for (;;) {
    while (std::optional<core::Event> event = self.engine->next_event()) {
      application_.on_event(node, *event);
      if (self.life != life || !happen(node)) return;
    }
    const std::optional<core::Transmit> batch = self.engine->next_transmit(now_at(node));
    if (!batch) break;
    if (!carry(node, *batch)) return;
  }
  arm(node);
}

void SimNetwork::arm(std::size_t node) {
  Node& self = nodes_[node];
  const std::optional<Instant> deadline = self.engine->deadline();
  if (!deadline) return;
  const Instant at = std::max(*deadline - self.clock_offset, now());
  if (self.has_wake && self.wakes_at <= at) return;
  self.has_wake = true;
  self.wakes_at = at;
  post(at, [this, node, life = self.life] { wake(node, life); });
}

void SimNetwork::wake(std::size_t node, std::uint64_t life) {
  Node& self = nodes_[node];
  if (self.life != life || self.engine == nullptr) return;
  if (!self.has_wake || now() < self.wakes_at) return;  // An earlier plan; a later one is under way.
  if (now() < self.paused_until) {
    post(self.paused_until, [this, node, life] { wake(node, life); });
    return;
  }
  self.has_wake = false;
  self.engine->on_time(now_at(node));
  if (happen(node)) pump(node);
}

bool SimNetwork::carry(std::size_t source, const core::Transmit& batch) {
  const auto target = std::to_integer<std::size_t>(batch.to.bytes[0]) - 1;
  const std::size_t link = batch.link.value;
  for (std::size_t at = 0; at < batch.datagrams.size(); at += batch.segment_bytes) {
    const std::size_t bytes = std::min(batch.segment_bytes, batch.datagrams.size() - at);
    carry_one(source, target, link, batch.datagrams.subspan(at, bytes));
    if (!happen(source)) return false;
  }
  return true;
}

void SimNetwork::carry_one(std::size_t source, std::size_t target, std::size_t link, ByteView datagram) {
  ++datagrams_carried_;
  application_.on_carried(source, target, link, datagram);
  const Fate fate = fate_of_ ? fate_of_(source, target, link) : Fate::kArrives;
  const std::size_t cable = cut_index(source, target, link);
  const Faults& faults = links_[link];
  if (fate == Fate::kLost) return;
  if (cuts_[cable] != 0 || !is_plugged(source, target, link) || is_lost(cable, faults)) return;
  if (datagram.size() > faults.datagram_bytes_max) return;
  Duration queued = Duration::zero();
  if (faults.bytes_per_second > 0) {
    Instant& free_at = free_at_[cable];
    if (free_at - now() > faults.queue_max) return;
    const double wire_bytes = static_cast<double>(datagram.size()) + 46;  // IP, UDP, Ethernet
    free_at =
        std::max(free_at, now()) + Duration(static_cast<std::int64_t>(1e9 * wire_bytes / faults.bytes_per_second));
    queued = free_at - now();
  }
  const bool is_doubled = fate == Fate::kTwice || (faults.duplication > 0 && happens(faults.duplication));
  const int copies = is_doubled ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    Duration delay = queued + faults.delay;
    if (fate == Fate::kLate || (fate == Fate::kTwice && copy == 1)) delay += kLateBy;
    if (faults.jitter > Duration::zero()) delay += Duration(random(static_cast<std::uint64_t>(faults.jitter.count())));
    if (faults.reordering > 0 && happens(faults.reordering)) {
      delay += Duration(random(static_cast<std::uint64_t>(faults.reorder_delay.count())));
    }
    std::vector<std::byte> bytes(datagram.begin(), datagram.end());
    if (faults.corruption > 0 && happens(faults.corruption)) bytes.resize(random(bytes.size()));
    if (faults.flips > 0 && happens(faults.flips)) flip_bits(bytes);
    post(now() + delay,
         [this, source, target, link, bytes = std::move(bytes)] { deliver(source, target, link, bytes); });
  }
}

void SimNetwork::flip_bits(std::vector<std::byte>& bytes) {
  for (std::uint64_t count = bytes.empty() ? 0 : 1 + random(8); count > 0; --count) {
    bytes[random(bytes.size())] ^= std::byte{1} << random(8);
  }
}

bool SimNetwork::is_lost(std::size_t cable, const Faults& faults) {
  if (bursts_[cable] != 0) {
    bursts_[cable] = happens(faults.burst_ends) ? 0 : 1;
    return true;
  }
  if (faults.burst_begins > 0 && happens(faults.burst_begins)) bursts_[cable] = 1;
  return faults.loss > 0 && happens(faults.loss);
}

void SimNetwork::deliver(std::size_t source, std::size_t target, std::size_t link,
                         const std::vector<std::byte>& datagram) {
  Node& node = nodes_[target];
  if (node.engine == nullptr) {
    if (!links_[link].sends_refusals || cuts_[cut_index(target, source, link)] != 0) return;
    post(now() + links_[link].delay, [this, source, target, link, life = nodes_[source].life] {
      if (nodes_[source].life != life || nodes_[source].engine == nullptr) return;
      const LinkId via{static_cast<std::uint8_t>(link)};
      nodes_[source].engine->on_send_error(via, address_of(target, link), ECONNREFUSED, now_at(source));
      if (happen(source)) pump(source);
    });
    return;
  }
  if (now() < node.paused_until) {
    if (node.waiting >= links_[link].socket_datagrams_max) return;
    ++node.waiting;
    post(node.paused_until, [this, source, target, link, datagram] {
      --nodes_[target].waiting;
      deliver(source, target, link, datagram);
    });
    return;
  }
  node.engine->on_datagram(LinkId{static_cast<std::uint8_t>(link)}, address_of(source, link), datagram, now_at(target));
  if (happen(target)) pump(target);
}

bool SimNetwork::step(Instant until) {
  if (queue_.empty() || queue_.top().at > until || ++steps_ >= kStepsMax) {
    clock_.advance_to(std::max(now(), until));
    return false;
  }
  // The action may post, so it leaves the queue first.
  Step next = std::move(const_cast<Step&>(queue_.top()));
  queue_.pop();
  clock_.advance_to(next.at);
  next.action();
  return true;
}

void SimNetwork::run_for(Duration how_long) {
  const Instant end = now() + how_long;
  while (step(end)) {
  }
}

bool SimNetwork::run_until(const std::function<bool()>& condition, Duration at_most) {
  const Instant end = now() + at_most;
  while (!condition()) {
    if (!step(end)) return condition();
  }
  return true;
}

}  // namespace qnet::sim
