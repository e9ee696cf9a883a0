// SPDX-License-Identifier: Apache-2.0
//
// two_nodes_test.hpp: two engines, and a conversation whose course the test decides.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "tests/sim/sim_network.hpp"
#include "transport/core/path.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::sim {

using namespace std::chrono_literals;

inline constexpr std::size_t kA = 0;
inline constexpr std::size_t kB = 1;

/// Node a calls node b; b answers each request with a byte, or not at all.
class TwoNodesTest : public ::testing::Test, public Application {
 protected:
  void build(NetworkOptions options) {
    network_ = std::make_unique<SimNetwork>(options, *this);
    network_->start(kA);
    network_->start(kB);
    ASSERT_TRUE(network_->run_until([this] { return is_up(kA) && is_up(kB); }, 100ms));
    open();
  }
  bool is_up(std::size_t node) {
    return network_->is_running(node) && network_->engine(node).is_up(network_->peer_id(node, 1 - node));
  }
  void open(std::string_view policy = "", std::string_view link = "") {
    connection_ = *network_->engine(kA).open_connection(to_b(), policy, link, network_->now());
    incarnation_ = network_->engine(kA).incarnation_of(to_b());
  }
  PeerId to_b() const { return network_->peer_id(kA, kB); }
  void send(std::size_t bytes) { send_on(connection_, bytes); }
  void send_on(ConnectionId connection, std::size_t bytes, Priority priority = kPriorityNormal) {
    ASSERT_TRUE(
        network_->engine(kA).send(to_b(), incarnation_, connection, true, priority, Buffer(bytes), network_->now()));
    network_->pump(kA);
  }
  /// Sends a call and waits for its answer.
  bool call() {
    const std::size_t before = replies_;
    send(100);
    return network_->run_until([&] { return replies_ > before; }, 5s);
  }
  /// One call at a time, at most one each millisecond, for that long.
  void call_for(Duration how_long) {
    bool has_sent = false;
    for (const Instant end = network_->now() + how_long; network_->now() < end; network_->run_for(1ms)) {
      if (has_sent && replies_ < calls_) continue;
      send(100);
      calls_ = replies_ + 1;
      has_sent = true;
    }
    network_->run_until([this] { return replies_ >= calls_; }, 5s);
  }
  /// Forgets the gap so far.
  void begin_gap() {
    longest_gap_ = Duration::zero();
    replied_at_ = network_->now();
  }
  /// Runs until a's application hears of a peer that is down; how long that took.
  Duration time_until_down() {
    const Instant since = network_->now();
    EXPECT_TRUE(network_->run_until([this] { return !downs_.empty(); }, 5s));
    return network_->now() - since;
  }
  void cut(bool is_cut, std::size_t link = 0) {
    network_->set_cut(kA, kB, link, is_cut);
    network_->set_cut(kB, kA, link, is_cut);
  }

  void on_event(std::size_t node, core::Event& event) override {
    if (auto* message = std::get_if<core::MessageArrived>(&event)) {
      if (message->is_own) {
        ++replies_;
        ++replies_on_[message->connection.value];
        longest_gap_ = std::max(longest_gap_, network_->now() - replied_at_);
        replied_at_ = network_->now();
        return;
      }
      bytes_received_ += message->body.size();
      bytes_on_[message->connection.value] += message->body.size();
      ++requests_;
      if (!is_answering_ || message->body.size() > answered_bytes_max_) return;
      static_cast<void>(network_->engine(node).send(message->peer, message->incarnation, message->connection, false,
                                                    message->priority, Buffer(reply_bytes_to(message->body.size())),
                                                    network_->now()));
    } else if (node == kA) {
      if (std::holds_alternative<core::ConnectionLost>(event)) lost_at_.push_back(network_->now());
      if (auto* down = std::get_if<core::PeerDown>(&event)) downs_.push_back(down->reason);
      if (std::holds_alternative<core::PeerGone>(event)) ++gone_;
      if (auto* up = std::get_if<core::PeerUp>(&event)) ups_.push_back(up->incarnation);
    }
  }
  void on_crash(std::size_t) override {}
  virtual std::size_t reply_bytes_to(std::size_t) { return reply_bytes_; }
  void on_carried(std::size_t node, std::size_t, std::size_t link, ByteView datagram) override {
    const Result<wire::PacketHeader> header = wire::decode_header(datagram);
    if (!header || header->type != wire::PacketType::kData) return;
    wire::FrameReader frames(datagram.subspan(wire::PacketHeader::kBytes, header->payload_bytes));
    wire::FrameView frame;
    while (frames.next(frame)) {
      if (frame.type == wire::FrameType::kData) ++data_frames_[node][link];
    }
  }

  std::unique_ptr<SimNetwork> network_;
  ConnectionId connection_;
  Incarnation incarnation_;
  bool is_answering_ = true;
  std::size_t reply_bytes_ = 1;
  std::size_t answered_bytes_max_ = std::size_t(-1);
  std::size_t calls_ = 0;
  std::size_t replies_ = 0;
  std::array<std::array<std::size_t, core::kPathsMax>, 2> data_frames_{};  // put on the cable, by node and link
  std::vector<Instant> lost_at_;  // told that the connection's only link is down
  std::size_t requests_ = 0;
  std::uint64_t bytes_received_ = 0;
  std::map<std::uint32_t, std::uint64_t> bytes_on_;  // the same by connection
  std::map<std::uint32_t, std::size_t> replies_on_;
  Duration longest_gap_{};
  Instant replied_at_{};
  std::vector<core::DownReason> downs_;
  std::vector<Incarnation> ups_;
  int gone_ = 0;
};

}  // namespace qnet::sim
