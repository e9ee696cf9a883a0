// SPDX-License-Identifier: Apache-2.0
//
// engine_bounds_test.cpp: what can a peer that keeps no rule make us hold?
#include <gtest/gtest.h>

#include "tests/unit/transport/hand_written_peer.hpp"
#include "transport/core/credit.hpp"
#include "transport/core/receive_queue.hpp"
#include "transport/core/send_queue.hpp"
#include "transport/wire/message.hpp"

namespace qnet::core {
namespace {

class EngineBoundsTest : public ::testing::Test, protected test::HandWrittenPeer {
 protected:
  wire::DataFrame request(std::uint32_t connection, std::uint32_t message, std::string_view text) {
    return {.connection = connection,
            .message = message,
            .total = static_cast<std::uint32_t>(text.size()),
            .piece = as_bytes(text)};
  }
  /// Answers what has been asked with `bytes`. Returns how many there were.
  std::size_t answer_all(std::size_t bytes) {
    std::size_t answered = 0;
    for (Event& event : events()) {
      const auto* message = std::get_if<MessageArrived>(&event);
      if (message == nullptr) continue;
      ++answered;
      EXPECT_TRUE(engine_->send(peer_, message->incarnation, message->connection, false, 0, Buffer(bytes), now_));
    }
    return answered;
  }
};

TEST_F(EngineBoundsTest, APeerCannotMakeUsHoldMoreThanWasGranted) {
  join();
  // First pieces of large messages on many connections: each takes memory for the whole.
  for (std::uint32_t connection = 1; connection < 200; ++connection) {
    give_frames(wire::DataFrame{.connection = connection, .total = wire::kMessageBytesMax, .piece = as_bytes("x")});
  }
  EXPECT_GT(engine_->statistics().datagrams_malformed, 100u);
  EXPECT_LE(engine_->holdings().received_bytes, EngineConfig{}.session_credit_bytes + kSessionOverrunBytes);
  EXPECT_TRUE(engine_->is_up(peer_));
}

TEST_F(EngineBoundsTest, WhoAsksAndTakesNoAnswerHasToWait) {
  join();
  constexpr std::size_t kReplyBytes = 1 << 20;
  const std::size_t bound = EngineConfig{}.session_credit_bytes + 2 * (kReplyBytes + kMessageOverheadBytes);
  std::size_t answered = 0;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    give_frames(request(1 + i % 10, i / 10, "more"));
    answered += answer_all(kReplyBytes);
    static_cast<void>(take());
    ASSERT_LE(engine_->holdings().reply_bytes, bound) << "after " << i << " requests";
  }
  EXPECT_LT(answered, 100u);
  EXPECT_GT(answered, 50u);
  EXPECT_TRUE(engine_->is_up(peer_));
}

TEST_F(EngineBoundsTest, WhoTakesTheAnswersAtLastGetsAllOfThemInOrder) {
  join();
  constexpr std::uint32_t kRequests = 200;
  for (std::uint32_t i = 0; i < kRequests; ++i) {
    give_frames(request(1, i, "more"));
    answer_all(1 << 20);
  }
  EXPECT_GT(engine_->holdings().received_bytes, 0u) << "some have to wait";
  std::uint64_t highest = 0;
  for (int round = 0; round < 100'000 && engine_->holdings().reply_bytes > 0; ++round) {
    for (const test::Packet& packet : take()) highest = std::max(highest, packet.header.number);
    wire::AckFrame ack{.largest = highest, .range_count = 1};
    ack.ranges[0] = {0, static_cast<std::uint16_t>(std::min<std::uint64_t>(highest, 60'000))};
    give_frames(ack, wire::CreditFrame{.limit_bytes = 1ull << 40},
                wire::CreditFrame{.connection = 1, .direction = wire::Direction::kReply, .limit_bytes = 1ull << 40});
    answer_all(1 << 20);
    now_ += std::chrono::microseconds(100);
  }
  EXPECT_EQ(engine_->statistics().messages_sent, kRequests);
  EXPECT_EQ(engine_->holdings().received_bytes, 0u);
  EXPECT_EQ(engine_->holdings().reply_bytes, 0u);
}

TEST_F(EngineBoundsTest, EmptyMessagesThatOvertakeOthersTakeABoundedNumberOfPlaces) {
  join();
  const std::uint64_t before = engine_->statistics().datagrams_malformed;
  for (std::uint32_t connection = 1; connection <= 1000; ++connection) {
    give_frames(wire::DataFrame{.connection = connection, .message = kMessagesAheadMax - 1});
  }
  const std::uint64_t refused = engine_->statistics().datagrams_malformed - before;
  EXPECT_EQ(1000 - refused, kPlacesMax / kMessagesAheadMax);
  give_frames(request(1000, 0, "next in order"));
  std::size_t delivered = 0;
  for (const Event& event : events()) delivered += std::holds_alternative<MessageArrived>(event) ? 1 : 0;
  EXPECT_EQ(delivered, 1u) << "what is in order always goes on";
}

TEST_F(EngineBoundsTest, AConnectionThatChangesItsPolicyAllTheTimeIsNoticedOncePerLane) {
  config_.connection_credit_bytes = 1;  // the least the engine allows: there is soon credit to be told
  renew();
  join();
  constexpr std::uint32_t kConnections = 3, kMessages = 2000;
  const std::string text(1000, 'x');
  for (std::uint32_t i = 0; i < kConnections * kMessages; ++i) {
    wire::DataFrame frame = request(1 + i % kConnections, i / kConnections, text);
    frame.policy = i / kConnections % 2 == 0 ? wire::PolicyKind::kLoadBalance : wire::PolicyKind::kRedundant;
    give_frames(frame);
  }
  EXPECT_EQ(events().size(), 1 + kConnections * kMessages);  // and PeerUp
  EXPECT_LE(engine_->holdings().notices, kConnections * 2);
  EXPECT_GE(engine_->holdings().notices, kConnections);
  static_cast<void>(take());
  EXPECT_EQ(engine_->holdings().notices, 0u);
}

TEST_F(EngineBoundsTest, AMessageHasABoundedNumberOfHoles) {
  join();
  const std::uint64_t before = engine_->statistics().datagrams_malformed;
  for (std::uint32_t offset = 0; offset < 4 * ReceiveQueue::kHolesMax; offset += 2) {
    give_frames(wire::DataFrame{.connection = 1, .offset = offset, .total = 1 << 20, .piece = as_bytes("x")});
  }
  EXPECT_EQ(engine_->statistics().datagrams_malformed - before, ReceiveQueue::kHolesMax);
  give_frames(wire::DataFrame{.connection = 1, .offset = 1, .total = 1 << 20, .piece = as_bytes("x")});
  EXPECT_EQ(engine_->statistics().datagrams_malformed - before, ReceiveQueue::kHolesMax) << "a hole may be filled";
}

TEST_F(EngineBoundsTest, NumbersOfConnectionsMayBeLeftOutOnlySoOften) {
  config_.connections_max = 100;
  renew();
  join();
  for (std::uint32_t connection = 1; connection < 2000; connection += 2) {
    give_frames(request(connection, 0, "x"),
                wire::CloseFrame{.connection = connection, .direction = wire::Direction::kRequest, .messages = 1});
    std::uint64_t highest = 0;
    for (const test::Packet& packet : take()) highest = std::max(highest, packet.header.number);
    if (highest == 0) continue;
    wire::AckFrame ack{.largest = highest, .range_count = 1};
    ack.ranges[0] = {0, static_cast<std::uint16_t>(highest)};
    give_frames(ack);
    static_cast<void>(events());
  }
  EXPECT_GE(engine_->statistics().datagrams_malformed, 700u);
  EXPECT_TRUE(engine_->is_up(peer_));
}

}  // namespace
}  // namespace qnet::core
