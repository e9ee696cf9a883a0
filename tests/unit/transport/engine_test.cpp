// SPDX-License-Identifier: Apache-2.0
//
// engine_test.cpp: one engine, and a peer whose every packet is written by hand.
#include <gtest/gtest.h>

#include "tests/unit/transport/hand_written_peer.hpp"
#include "transport/wire/message.hpp"

namespace qnet::core {
namespace {

using test::HandWrittenPeer;
using test::Packet;
using wire::PacketType;
using namespace std::chrono_literals;
constexpr LinkId kLink = HandWrittenPeer::kLink;

class EngineTest : public ::testing::Test, protected HandWrittenPeer {};

TEST_F(EngineTest, GreetsAtOnceAndIsUpAfterOneRoundTrip) {
  const std::vector<Packet> packets = join();
  ASSERT_EQ(packets.size(), 1u) << "a first packet, so that the peer knows that we know";
  EXPECT_EQ(packets[0].header.session, session_token(hello_.session, {100, 1}));
  EXPECT_NE(packets[0].header.flags & wire::packet_flags::kAckNow, 0);
  const std::vector<Event> all = events();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(std::get<PeerUp>(all[0]).incarnation, Incarnation{200});
  EXPECT_TRUE(engine_->is_up(peer_));
}

TEST_F(EngineTest, AnAnswerToSomethingElseIsNoAnswer) {
  take();
  hello_.target = {100, 1};
  hello_.nonce = 4711;
  give_hello(PacketType::kHelloAck);
  EXPECT_FALSE(engine_->is_up(peer_));
}

TEST_F(EngineTest, GreetsWithBackOffForEver) {
  take();
  advance(60s);
  EXPECT_GE(sent_.size(), 60u);
  EXPECT_LE(sent_.size(), 90u);
  EXPECT_EQ(engine_->down_reason_of(peer_), DownReason::kNeverSeen);
}

TEST_F(EngineTest, ANewerPeerThatStillSpeaksOurVersionIsWelcome) {
  hello_.version_highest = 2;
  hello_.features = 0xff;
  const std::vector<Packet> packets = join();
  EXPECT_TRUE(engine_->is_up(peer_));
  EXPECT_EQ(packets.at(0).header.version, 1);
}

TEST_F(EngineTest, APeerWithoutACommonVersionIsToldSoAndStaysDown) {
  take();
  hello_.version_lowest = 2;
  hello_.version_highest = 3;
  give_hello(PacketType::kHello);
  const std::vector<Packet> packets = take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].header.type, PacketType::kHelloAck);
  EXPECT_EQ(packets[0].hello().version_highest, 1);
  EXPECT_FALSE(engine_->is_up(peer_));
  EXPECT_EQ(engine_->down_reason_of(peer_), DownReason::kVersion);
}

TEST_F(EngineTest, AnUnknownSessionIsAnsweredWithResetAndNothingElseHappens) {
  join();
  events();
  give({.session = 0xdeadb000, .number = 1}, {});
  const std::vector<Packet> packets = take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].header.type, PacketType::kReset);
  EXPECT_EQ(wire::decode<wire::Reset>(packets[0].payload)->session, 0xdeadb000u);
  EXPECT_TRUE(engine_->is_up(peer_));
}

TEST_F(EngineTest, AResetOnlyMakesUsAsk) {
  join();
  events();
  now_ += 10ms;
  std::vector<std::byte> room(64);
  give({.type = PacketType::kReset}, *wire::encode(wire::Reset{.session = 1, .number = 1}, room));
  EXPECT_TRUE(engine_->is_up(peer_));
  EXPECT_TRUE(events().empty());
  const std::vector<Packet> packets = take();
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].header.type, PacketType::kHello);
}

TEST_F(EngineTest, ANewLifeOfThePeerEndsTheOldOneOnceItHasAnswered) {
  join();
  events();
  now_ += 1ms;
  hello_.own = {201, 1};
  hello_.target = {};
  give_hello(PacketType::kHello);
  EXPECT_TRUE(events().empty()) << "anybody can say that";
  now_ += 10ms;
  give_hello(PacketType::kHello);
  join();
  const std::vector<Event> all = events();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(std::get<PeerDown>(all[0]).reason, DownReason::kRestarted);
  EXPECT_EQ(std::get<PeerGone>(all[1]).incarnation, Incarnation{200});
  EXPECT_EQ(std::get<PeerUp>(all[2]).incarnation, Incarnation{201});
}

TEST_F(EngineTest, AnOldLifeOfThePeerIsIgnored) {
  join();
  events();
  now_ += 10ms;
  hello_.own = {199, 7};
  give_hello(PacketType::kHello);
  EXPECT_TRUE(take().empty());
  EXPECT_TRUE(engine_->is_up(peer_));
}

TEST_F(EngineTest, GoodbyeEndsTheSessionAtOnce) {
  join();
  events();
  give_frames(wire::GoodbyeFrame{});
  const std::vector<Event> all = events();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(std::get<PeerDown>(all[0]).reason, DownReason::kGoodbye);
  EXPECT_TRUE(std::holds_alternative<PeerGone>(all[1]));
  give_hello(PacketType::kHello);
  EXPECT_FALSE(engine_->is_up(peer_)) << "a late hello of the life that has ended";
}

TEST_F(EngineTest, ARemovedPeerIsToldAndForgottenAndMayComeBackAsANewerSession) {
  join();
  events();
  const std::uint32_t epoch = hello_.target.epoch;
  engine_->say_goodbye(peer_, now_);
  EXPECT_EQ(take().size(), 1u);
  engine_->remove_peer(peer_, now_);
  const std::vector<Event> all = events();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(std::get<PeerDown>(all[0]).reason, DownReason::kRemoved);
  EXPECT_TRUE(std::holds_alternative<PeerGone>(all[1]));
  give_hello(PacketType::kHello);
  EXPECT_TRUE(take().empty()) << "nobody of that name is known";
  EXPECT_FALSE(engine_->deadline().has_value());

  EXPECT_EQ(*engine_->add_peer("c", now_), peer_) << "its number is free";
  EXPECT_EQ(engine_->add_peer("c", now_).error().code, EEXIST);
  EXPECT_NE(*engine_->add_peer("b", now_), peer_);
  engine_->remove_peer(peer_, now_);
  EXPECT_EQ(*engine_->add_peer("c", now_), peer_);
  engine_->add_path(peer_, kLink, there_, now_);
  EXPECT_GT(take().front().hello().own.epoch, epoch);
}

TEST_F(EngineTest, SilenceIsPeerDownAfterTheGraceAndPeerGoneAfterTheHold) {
  join();
  events();
  const ConnectionId connection = *engine_->open_connection(peer_, "", "", now_);
  ASSERT_TRUE(engine_->send(peer_, Incarnation{200}, connection, true, 0, Buffer(std::size_t{100}), now_));
  const Instant since = now_;
  take();
  std::vector<Event> all;
  while (all.empty() && now_ < since + 2s) {
    advance(1ms);
    all = events();
  }
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(std::get<PeerDown>(all[0]).reason, DownReason::kSilent);
  EXPECT_GE(now_ - since, 290ms);
  EXPECT_LE(now_ - since, 400ms);
  EXPECT_EQ(engine_->open_connection(peer_, "", "", now_).error().code, EHOSTDOWN);
  advance(11s);
  all = events();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(std::get<PeerGone>(all[0]).reason, DownReason::kSilent);

  std::vector<std::string> changes;
  for (const PathChanged& change : path_changes_) {
    EXPECT_EQ(change.address, there_);
    changes.push_back(std::string(text_of(change.is)) + " " + std::string(text_of(change.reason)));
  }
  EXPECT_EQ(changes, (std::vector<std::string>{"up ", "suspect late", "down silent"}));
}

TEST_F(EngineTest, APathOfASessionThatEndsIsDownBecauseThePeerIsGone) {
  EXPECT_EQ(engine_->paths_of(peer_)[0].reason, PathReason::kNeverHeard);
  join();
  const Instant up_at = *engine_->paths_of(peer_)[0].since;
  advance(1ms);
  EXPECT_EQ(engine_->paths_of(peer_)[0].since, up_at);
  engine_->remove_peer(peer_, now_);
  events();
  ASSERT_FALSE(path_changes_.empty());
  EXPECT_EQ(path_changes_.back().was, LinkState::kUp);
  EXPECT_EQ(path_changes_.back().is, LinkState::kDown);
  EXPECT_EQ(path_changes_.back().reason, PathReason::kPeerGone);
}

TEST_F(EngineTest, ARefusalThatIsNotContradictedIsPeerDownAtOnce) {
  join();
  events();
  engine_->on_send_error(kLink, there_, ECONNREFUSED, now_);
  advance(20ms);
  EXPECT_TRUE(engine_->is_up(peer_));
  advance(200ms);
  const std::vector<Event> all = events();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(std::get<PeerDown>(all[0]).reason, DownReason::kRefused);
}

TEST_F(EngineTest, PoliciesAreCheckedWhenAConnectionIsOpened) {
  join();
  const auto error_of = [this](std::string_view policy, std::string_view link) {
    const Result<ConnectionId> opened = engine_->open_connection(peer_, policy, link, now_);
    return opened ? 0 : opened.error().code;
  };
  EXPECT_EQ(error_of("", ""), 0);
  EXPECT_EQ(error_of("loadbalance", ""), 0);
  EXPECT_EQ(error_of("preferred", "en0"), 0);
  EXPECT_EQ(error_of("exclusive", "en0"), 0);
  EXPECT_EQ(error_of("exclusive", "en7"), EINVAL);
  EXPECT_EQ(error_of("exclusive", ""), EINVAL);
  EXPECT_EQ(error_of("loadbalance", "en0"), EINVAL);
  EXPECT_EQ(error_of("fastest", ""), EINVAL);
}

TEST_F(EngineTest, ASteadySmallCallIsTwoPackets) {
  join();
  const ConnectionId connection = *engine_->open_connection(peer_, "", "", now_);
  give_frames(wire::AckFrame{.largest = 1, .range_count = 1, .ranges = {{{0, 1}}}});
  std::uint64_t answered = 1;
  for (std::uint32_t call = 0; call < 100; ++call) {
    now_ += 20us;
    ASSERT_TRUE(engine_->send(peer_, Incarnation{200}, connection, true, 0, Buffer(as_bytes("question")), now_));
    ASSERT_EQ(take().size(), 1u) << call;
    now_ += 50us;
    wire::DataFrame reply{.connection = connection.value, .message = call, .total = 6};
    reply.direction = wire::Direction::kReply;
    reply.piece = as_bytes("answer");
    ++answered;
    give_frames(
        wire::AckFrame{.largest = answered, .range_count = 1, .ranges = {{{0, static_cast<std::uint16_t>(answered)}}}},
        reply);
    ASSERT_TRUE(take().empty()) << "the next request acknowledges the reply";
  }
  EXPECT_EQ(engine_->statistics().messages_delivered, 100u);
}

TEST_F(EngineTest, WhatNobodyWaitsForSharesThePacketOfTheNextMessageOrGoesALittleLater) {
  join();
  const ConnectionId connection = *engine_->open_connection(peer_, "", "", now_);
  give_frames(wire::AckFrame{.largest = 1, .range_count = 1, .ranges = {{{0, 1}}}});
  const auto say = [&](std::string_view text, Priority priority) {
    ASSERT_TRUE(engine_->send(peer_, Incarnation{200}, connection, true, priority, Buffer(as_bytes(text)), now_));
  };
  static_cast<void>(take());
  say("close", kPriorityLingering);
  EXPECT_TRUE(take().empty());
  now_ += 50us;
  say("open", kPriorityNormal);
  const std::vector<Packet> both = take();
  ASSERT_EQ(both.size(), 1u);
  EXPECT_GE(both[0].payload.size(), 2 * wire::DataFrame::kHeadBytes + 9);

  say("close", kPriorityLingering);
  EXPECT_TRUE(take().empty());
  EXPECT_LE(engine_->deadline().value(), now_ + kLingerMax);
  now_ += kLingerMax;
  engine_->on_time(now_);
  EXPECT_EQ(take().size(), 1u);
  EXPECT_TRUE(take().empty());
}

TEST_F(EngineTest, NoiseInAnEstablishedSessionDoesNoHarm) {
  join();
  std::mt19937_64 noise(9);
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> payload(4 * (noise() % 20));
    for (std::byte& b : payload) b = static_cast<std::byte>(noise() % 3 == 0 ? noise() % 8 : 0);
    give({.session = session_token(engine_index_, hello_.own),
          .number = ++number_,
          .path = static_cast<std::uint8_t>(noise() % 10)},
         payload);
    static_cast<void>(take());
    static_cast<void>(events());
  }
}

}  // namespace
}  // namespace qnet::core
