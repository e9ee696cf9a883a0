// SPDX-License-Identifier: Apache-2.0
//
// peer_greeting.cpp: how do two nodes come to a session, and how does a path come back?
#include <algorithm>

#include "transport/core/peer.hpp"

namespace qnet::core {

bool Peer::is_greeting(const Path& path) const {
  return (state_ != State::kEstablished || !path.monitor.is_usable()) && is_link_well(path);
}

wire::Hello Peer::hello_for(const Path* path) const {
  wire::Hello hello;
  hello.own = own_tag();
  if (state_ != State::kUnknown) hello.target = bound_;
  hello.session = own_index_;
  if (path != nullptr) hello.path = path->id;
  return hello;
}

void Peer::greet(Path& path, Instant now) {
  if (!is_link_well(path)) return;
  Greeting& greeting = path.greeting;
  if (greeting.nonce == 0) greeting.nonce = context_.random() | 1;
  if (greeting.interval == Duration::zero()) greeting.interval = kGreetingFirst;
  const bool is_returning = path.monitor.state() == LinkState::kProbing;
  const Duration interval = is_returning ? path.monitor.probing_interval() : greeting.interval;
  greeting.sent_at = now;
  // Up to a quarter earlier, so that many nodes do not keep step.
  greeting.next = now + interval - interval / 4 * static_cast<std::int64_t>(context_.random() & 1023) / 1024;
  // A peer that is there answers soon after its link does.
  greeting.interval = std::min(2 * greeting.interval, is_up_ ? kGreetingMaxUp : kGreetingMax);

  wire::Hello hello = hello_for(&path);
  hello.nonce = greeting.nonce;
  send_hello(context_, wire::PacketType::kHello, hello, {path.link, path.address, path.has_crc}, now);
}

void Peer::greet_soon(Path& path, Instant now) {
  path.greeting.next = std::min(path.greeting.next, std::max(now, path.greeting.sent_at + kGreetingProbing));
}

void Peer::answer(const wire::PacketHeader& header, const wire::Hello& hello, LinkId link, const Address& to,
                  Instant now) {
  wire::Hello answer = hello_for(find_path(link, to));
  answer.target = hello.own;
  answer.nonce = hello.nonce;
  answer.echo_us = header.timestamp_us;
  const bool has_crc = (header.flags & wire::packet_flags::kCrc) != 0;
  send_hello(context_, wire::PacketType::kHelloAck, answer, {link, to, has_crc}, now);
}

Peer::Standing Peer::standing_of(const wire::Hello& hello, Instant now) const {
  const bool is_bound = state_ != State::kUnknown;
  if (!is_bound && !(disbelief_until_ && now < *disbelief_until_)) return Standing::kNewer;
  if (hello.node != bound_node_) {
    // Another machine of that name: the one that is alive keeps it.
    return state_ == State::kEstablished && !lost_at_ ? Standing::kStale : Standing::kNewer;
  }
  if (hello.own == bound_) return is_bound ? Standing::kSame : Standing::kStale;
  return hello.own > bound_ ? Standing::kNewer : Standing::kStale;
}

void Peer::on_hello(const wire::PacketHeader& header, const wire::Hello& hello, LinkId link, const Address& from,
                    Instant now) {
  const bool is_answer = header.type == wire::PacketType::kHelloAck;
  Path* path = find_path(link, from);
  if (is_answer && (path == nullptr || path->greeting.nonce == 0 || path->greeting.nonce != hello.nonce)) return;

  const std::optional<std::uint8_t> version = common_version(context_.config, hello);
  if (!version) {
    if (state_ != State::kEstablished) down_reason_ = DownReason::kVersion;
    if (!is_answer) answer(header, hello, link, from, now);  // So that it learns why, too.
    return;
  }
  const Standing standing = standing_of(hello, now);
  if (standing == Standing::kStale || (is_answer && hello.target != own_tag())) return;
  if (path == nullptr) path = learn_path(link, from);
  if (path != nullptr) {
    path->has_crc = (header.flags & wire::packet_flags::kCrc) != 0;
    path->peer_datagram_bytes = std::max<std::size_t>(hello.datagram_bytes, Path::kPeerDatagramBytesLeast);
    path->limit_datagrams(context_.links[link.value]);
  }

  if (standing == Standing::kNewer) {
    if (state_ == State::kEstablished) {
      if (!is_answer) {  // Anybody can say that. Ask.
        if (path != nullptr && path->greeting.sent_at + kGreetingGap <= now) greet(*path, now);
        return;
      }
      end_life(DownReason::kRestarted, now);
    }
    bind(hello, *version, now);
  }
  if (!is_answer) answer(header, hello, link, from, now);
  if (hello.target == own_tag() && state_ == State::kBound) state_ = State::kEstablished;
  if (path != nullptr) {
    if (is_answer) {
      path->greeting.nonce = 0;
      const Duration round_trip = std::chrono::microseconds(timestamp_us(now) - hello.echo_us);
      path->rtt.on_sample(round_trip, Duration::zero(), now);
      confirm(*path, now);
      if (path->monitor.state() == LinkState::kProbing) path->greeting.next = now + path->monitor.probing_interval();
    } else if (is_greeting(*path)) {
      greet_soon(*path, now);
    }
  }
  update_liveness(now);
}

void Peer::bind(const wire::Hello& hello, std::uint8_t version, Instant now) {
  begin_on_all_paths(now);
  bound_ = hello.own;
  bound_node_ = hello.node;
  bound_at_ = now;
  disbelief_until_.reset();
  own_token_ = session_token(own_index_, bound_);
  session_ = std::make_unique<Session>(context_, paths_,
                                       SessionTerms{.peer = id_,
                                                    .incarnation = Incarnation{bound_.incarnation},
                                                    .version = version,
                                                    .token = session_token(hello.session, own_tag()),
                                                    .connection_credit_bytes = hello.connection_credit_bytes,
                                                    .session_credit_bytes = hello.session_credit_bytes});
  state_ = State::kBound;
}

}  // namespace qnet::core
