// SPDX-License-Identifier: Apache-2.0
//
// hand_written_peer.hpp: one engine, and a peer whose every packet is written by hand.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "transport/base/check.hpp"
#include "transport/core/engine.hpp"
#include "transport/core/handshake.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core::test {

struct Packet {
  wire::PacketHeader header;
  std::vector<std::byte> payload;
  wire::Hello hello() const { return *wire::decode<wire::Hello>(payload); }
};

class HandWrittenPeer {
 public:
  static constexpr LinkId kLink{0};

  HandWrittenPeer() {
    there_.size_bytes = 1;
    renew();
    hello_.version_lowest = hello_.version_highest = 1;
    hello_.node.bytes[0] = std::byte{2};
    hello_.own = {200, 1};
    hello_.session = 0x12345000;
    hello_.connection_credit_bytes = hello_.session_credit_bytes = 8 << 20;
    hello_.name = "b";
  }

  /// A new engine, with config_.
  void renew() {
    NodeId id;
    id.bytes[0] = std::byte{1};
    engine_ = std::make_unique<Engine>(LocalNode{id, "a", Incarnation{100}}, config_, [this] { return random_(); });
    engine_->add_link({"en0", 1200, false});
    peer_ = *engine_->add_peer("b", now_);
    engine_->add_path(peer_, kLink, there_, now_);
  }
  std::vector<Packet> take() {
    std::vector<Packet> packets;
    while (const std::optional<Transmit> batch = engine_->next_transmit(now_)) {
      const wire::PacketHeader header = *wire::decode_header(batch->datagrams);
      const ByteView payload = batch->datagrams.subspan(wire::PacketHeader::kBytes);
      packets.push_back({header, {payload.begin(), payload.end()}});
    }
    return packets;
  }
  /// Of peers, connections and messages; changes of paths go to path_changes_.
  std::vector<Event> events() {
    std::vector<Event> all;
    while (std::optional<Event> event = engine_->next_event()) {
      if (const auto* changed = std::get_if<PathChanged>(&*event)) path_changes_.push_back(*changed);
      else all.push_back(std::move(*event));
    }
    return all;
  }
  void give(const wire::PacketHeader& header, ByteView payload) {
    std::vector<std::byte> datagram(wire::PacketHeader::kBytes);
    wire::PacketHeader whole = header;
    whole.payload_bytes = static_cast<std::uint16_t>(payload.size());
    wire::encode_header(whole, datagram);
    datagram.insert(datagram.end(), payload.begin(), payload.end());
    engine_->on_datagram(kLink, there_, datagram, now_);
  }
  void give_hello(wire::PacketType type) {
    std::vector<std::byte> room(300);
    give({.type = type}, *wire::encode(hello_, room));
  }
  /// A session packet of the peer with these frames.
  template <class... Frames>
  void give_frames(const Frames&... frames) {
    std::vector<std::byte> payload(4000);
    std::size_t bytes = 0;
    ((bytes += wire::put_frame(frames, MutableBytes(payload).subspan(bytes))), ...);
    give({.version = version_, .session = session_token(engine_index_, hello_.own), .number = ++number_},
         ByteView(payload).first(bytes));
  }
  /// Answers the engine's hello. Returns what it sends then.
  std::vector<Packet> join() {
    const std::vector<Packet> greeting = take();
    QNET_CHECK(!greeting.empty() && greeting[0].header.type == wire::PacketType::kHello);
    engine_index_ = greeting[0].hello().session;
    hello_.target = greeting[0].hello().own;
    hello_.nonce = greeting[0].hello().nonce;
    hello_.echo_us = greeting[0].header.timestamp_us;
    now_ += std::chrono::microseconds(100);
    give_hello(wire::PacketType::kHelloAck);
    return take();
  }
  void advance(Duration by) {
    for (const Instant end = now_ + by; now_ < end;) {
      now_ = std::min(end, engine_->deadline().value_or(end));
      engine_->on_time(now_);
      for (Packet& packet : take()) sent_.push_back(std::move(packet));
    }
  }

  EngineConfig config_;
  std::mt19937_64 random_{1};
  Instant now_{std::chrono::seconds(1000)};
  std::unique_ptr<Engine> engine_;
  Address there_;
  PeerId peer_;
  wire::Hello hello_;
  std::uint8_t version_ = 1;
  std::uint32_t engine_index_ = 0;
  std::uint64_t number_ = 0;
  std::vector<Packet> sent_;               // during advance()
  std::vector<PathChanged> path_changes_;  // that events() has passed over
};

}  // namespace qnet::core::test
