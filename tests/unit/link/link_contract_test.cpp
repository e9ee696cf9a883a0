// SPDX-License-Identifier: Apache-2.0
//
// What every link driver must do. A new driver adds one row to kNetworks or kStreams.
#include <sys/socket.h>

#include <array>
#include <functional>
#include <string>

#include "tests/unit/link/fake_stream_link.hpp"
#include "tests/unit/link/link_rig.hpp"
#include "transport/link/udp_link.hpp"

namespace qnet::link {
namespace {

/// Two drivers that reach each other, and where each of them is for the other.
struct Pair {
  std::unique_ptr<LinkDriver> alpha, beta;
  core::Address to_alpha, to_beta;
};

struct DriverCase {
  const char* name;
  Pair (*open)();
};

template <bool kMaySegment, bool kMayCoalesce, bool kIsV6 = false>
std::unique_ptr<UdpLink> open_udp() {
  Result<std::unique_ptr<UdpLink>> link =
      UdpLink::open(kIsV6 ? "[::1]:0" : "127.0.0.1:0", {.may_segment = kMaySegment, .may_coalesce = kMayCoalesce});
  EXPECT_TRUE(link.has_value());
  return link ? std::move(*link) : nullptr;
}

template <bool kMaySegment, bool kMayCoalesce, bool kIsV6 = false>
Pair udp_pair() {
  auto alpha = open_udp<kMaySegment, kMayCoalesce, kIsV6>(), beta = open_udp<kMaySegment, kMayCoalesce, kIsV6>();
  const core::Address to_alpha = alpha->local_address(), to_beta = beta->local_address();
  return {std::move(alpha), std::move(beta), to_alpha, to_beta};
}

Pair stream_pair() {
  auto [alpha, beta] = FakeStreamLink::open_pair();
  return {std::move(alpha), std::move(beta), FakeStreamLink::other_end(), FakeStreamLink::other_end()};
}

/// Drivers of networks: many can be reached, and one that is not there is refused.
constexpr std::array kNetworks{
    DriverCase{"Udp", udp_pair<true, true>},
    DriverCase{"UdpWithoutSegmentation", udp_pair<false, true>},
    DriverCase{"UdpWithoutCoalescing", udp_pair<true, false>},
    DriverCase{"UdpPlain", udp_pair<false, false>},
    DriverCase{"UdpIpv6", udp_pair<true, true, true>},
};
/// Drivers with one far end.
constexpr std::array kStreams{
    DriverCase{"FakeStream", stream_pair},
};

class LinkContractTest : public testing::TestWithParam<DriverCase> {
 protected:
  void SetUp() override {
    Pair pair = GetParam().open();
    alpha_ = std::move(pair.alpha);
    beta_ = std::move(pair.beta);
    to_alpha_ = pair.to_alpha;
    to_beta_ = pair.to_beta;
    ASSERT_TRUE(alpha_ && beta_);
  }
  /// From alpha; beta receives when the carrier is full.
  void send_all(ByteView datagrams, std::size_t segment_bytes, Inbox& at_beta) {
    for (int attempts = 0; attempts < 10'000; ++attempts) {
      const Status status = alpha_->send(to_beta_, datagrams, segment_bytes);
      if (status) return;
      ASSERT_EQ(status.error().code, EAGAIN);
      at_beta.receive_once(*beta_);
    }
    ADD_FAILURE() << "the carrier stays full";
  }
  void expect_batch_arrives(std::uint32_t count, std::size_t segment_bytes, std::size_t tail_bytes) {
    SCOPED_TRACE(std::to_string(count) + " of " + std::to_string(segment_bytes) + ", last " +
                 std::to_string(tail_bytes));
    const std::vector<Bytes> sent = make_datagrams(count, segment_bytes, tail_bytes);
    Inbox inbox;
    send_all(join(sent), segment_bytes, inbox);
    ASSERT_TRUE(inbox.receive_count(*beta_, count));
    EXPECT_EQ(crcs_of(inbox.datagrams), crcs_of(sent));
    EXPECT_EQ(inbox.datagrams, sent);
  }

  std::unique_ptr<LinkDriver> alpha_, beta_;
  core::Address to_alpha_, to_beta_;
};

class NetworkContractTest : public LinkContractTest {
 protected:
  /// Where nobody listens any more.
  static core::Address refusing_address() { return GetParam().open().to_alpha; }
};

TEST_P(LinkContractTest, DeliversADatagramAndSaysWhoSentIt) {
  const Bytes ping = make_datagram(1, 64), pong = make_datagram(2, 65);
  ASSERT_TRUE(alpha_->send(to_beta_, ping, ping.size()).has_value());
  Inbox at_beta;
  ASSERT_TRUE(at_beta.receive_count(*beta_, 1));
  EXPECT_EQ(at_beta.datagrams, std::vector<Bytes>{ping});
  EXPECT_EQ(at_beta.senders, std::vector{to_alpha_});

  ASSERT_TRUE(beta_->send(at_beta.senders[0], pong, pong.size()).has_value());
  Inbox at_alpha;
  ASSERT_TRUE(at_alpha.receive_count(*alpha_, 1));
  EXPECT_EQ(at_alpha.datagrams, std::vector<Bytes>{pong});
}

TEST_P(LinkContractTest, DeliversBatchesByteByByte) {
  const std::size_t most = alpha_->condition().datagram_bytes_max;
  for (const std::size_t segment_bytes : {std::size_t{24}, std::size_t{1200}, most}) {
    expect_batch_arrives(2, segment_bytes, segment_bytes);
    expect_batch_arrives(2, segment_bytes, 1);
    expect_batch_arrives(5, segment_bytes, segment_bytes);
    expect_batch_arrives(5, segment_bytes, segment_bytes - 1);
  }
  expect_batch_arrives(64, 1000, 1000);
}

TEST_P(LinkContractTest, DeliversABatchOfAnyLength) {
  expect_batch_arrives(65, 100, 100);
  expect_batch_arrives(200, 1000, 3);
  expect_batch_arrives(30, alpha_->condition().datagram_bytes_max, 17);
}

TEST_P(LinkContractTest, HandsOverAtMostTheBurstItWasAskedFor) {
  constexpr std::size_t kCount = 200;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    // A size each, so that nothing can be coalesced into one.
    const Bytes datagram = make_datagram(i, 10 + i);
    ASSERT_TRUE(alpha_->send(to_beta_, datagram, datagram.size()).has_value());
  }
  std::size_t handed_over = 0;
  const auto count = [&](const core::Address&, ByteView) { ++handed_over; };
  const auto ignore = [](const core::Address&, int) {};
  EXPECT_TRUE(beta_->receive(1, count, ignore)) << "there is more";
  EXPECT_GT(handed_over, 0u);
  EXPECT_LT(handed_over, kCount);
  EXPECT_FALSE(beta_->receive(1000, count, ignore));
  EXPECT_EQ(handed_over, kCount);
}

TEST_P(LinkContractTest, ReceivesNothingWithoutWaiting) {
  Inbox inbox;
  EXPECT_FALSE(inbox.receive_once(*alpha_));
  EXPECT_TRUE(inbox.datagrams.empty());
}

TEST_P(NetworkContractTest, ReportsWhoRefused) {
  const core::Address nobody = refusing_address();
  const Bytes datagram = make_datagram(1, 100);
  ASSERT_TRUE(alpha_->send(nobody, datagram, datagram.size()).has_value());
  Inbox inbox;
  ASSERT_TRUE(inbox.receive_until(*alpha_, [&] { return !inbox.refusals.empty(); }));
  EXPECT_EQ(inbox.refusals[0].to, nobody);
  EXPECT_EQ(inbox.refusals[0].error, ECONNREFUSED);
}

TEST_P(NetworkContractTest, ARefusalHurtsNobodyElse) {
  const core::Address nobody = refusing_address();
  const Bytes lost = make_datagram(1, 100);
  std::vector<Bytes> sent;
  for (std::uint32_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(alpha_->send(nobody, lost, lost.size()).has_value());
    sent.push_back(make_datagram(i, 200));
    ASSERT_TRUE(alpha_->send(to_beta_, sent.back(), 200).has_value());
    ASSERT_TRUE(beta_->send(to_alpha_, sent.back(), 200).has_value());
  }
  Inbox at_beta, at_alpha;
  EXPECT_TRUE(at_beta.receive_count(*beta_, sent.size()));
  EXPECT_EQ(at_beta.datagrams, sent);
  EXPECT_TRUE(at_alpha.receive_count(*alpha_, sent.size()));
  EXPECT_EQ(at_alpha.datagrams, sent);
  EXPECT_FALSE(at_alpha.refusals.empty());
}

/// A level-triggered loop would spin on an error that nobody fetches.
TEST_P(NetworkContractTest, ARefusedBatchIsReportedAndLeavesTheDescriptorQuiet) {
  const core::Address nobody = refusing_address();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(alpha_->send(nobody, join(make_datagrams(20, 100, 100)), 100).has_value());
    Inbox inbox;
    ASSERT_TRUE(inbox.receive_until(*alpha_, [&] { return !inbox.refusals.empty(); }));
    pollfd waiting{alpha_->descriptor(), POLLIN, 0};
    int wakes = 0;
    while (poll(&waiting, 1, 0) > 0 && ++wakes < 100) inbox.receive_once(*alpha_);
    EXPECT_LT(wakes, 100) << "events " << waiting.revents;
    for (const Inbox::Refusal& refusal : inbox.refusals) EXPECT_EQ(refusal.to, nobody);
  }
}

TEST_P(LinkContractTest, AddressesSurviveWritingAndReading) {
  const core::Address address = to_beta_;
  const Result<core::Address> read = alpha_->parse_address(alpha_->format_address(address));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, address);
  for (const char* text : {"", "nonsense", "1.2.3.4.5", ":"}) {
    EXPECT_EQ(alpha_->parse_address(text).error().code, EINVAL) << text;
  }
}

TEST_P(LinkContractTest, CountsWhatItDoes) {
  const Bytes datagram = make_datagram(1, 100);
  ASSERT_TRUE(alpha_->send(to_beta_, datagram, datagram.size()).has_value());
  Inbox inbox;
  ASSERT_TRUE(inbox.receive_count(*beta_, 1));
  EXPECT_EQ(alpha_->statistics().send_calls, 1u);
  EXPECT_EQ(alpha_->statistics().send_errors, 0u);
  EXPECT_GE(beta_->statistics().receive_calls, 1u);
  EXPECT_EQ(beta_->statistics().kernel_drops, 0u);
}

TEST_P(NetworkContractTest, CountsWhatTheKernelDropped) {
  const int tiny = 1;  // the kernel makes it its smallest
  ASSERT_EQ(setsockopt(beta_->descriptor(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny), 0);
  const Bytes datagram = make_datagram(1, 1000);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(alpha_->send(to_beta_, datagram, 1000).has_value());
  Inbox inbox;
  while (inbox.receive_once(*beta_)) {
  }
  const std::size_t before = inbox.datagrams.size();
  EXPECT_LT(before, 100u);
  ASSERT_TRUE(alpha_->send(to_beta_, datagram, 1000).has_value());
  ASSERT_TRUE(inbox.receive_count(*beta_, before + 1));
  EXPECT_EQ(beta_->statistics().kernel_drops, 100 - before);
}

/// A slow carrier: the same batch again goes on where it stopped.
TEST_P(LinkContractTest, WhatDoesNotFitAtOnceArrivesOnceAndInOrder) {
  const int small = 4096;
  ASSERT_EQ(setsockopt(alpha_->descriptor(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  for (int round = 0; round < 3; ++round) expect_batch_arrives(60, 1000, 1 + static_cast<std::size_t>(round));
}

TEST_P(LinkContractTest, SaysThatItIsWellAndHowMuchItCarries) {
  const core::LinkCondition condition = alpha_->condition();
  EXPECT_EQ(condition.fault, core::LinkFault::kNone);
  EXPECT_GE(condition.datagram_bytes_max, 512u);
  EXPECT_EQ(alpha_->condition(), condition);
  expect_batch_arrives(1, condition.datagram_bytes_max, condition.datagram_bytes_max);
}

TEST(StreamContractTest, AClosedFarEndIsALostCarrier) {
  Pair pair = stream_pair();
  pair.beta.reset();
  EXPECT_EQ(pair.alpha->condition().fault, core::LinkFault::kNoCarrier);
  const Bytes datagram = make_datagram(1, 100);
  EXPECT_FALSE(pair.alpha->send(pair.to_beta, datagram, datagram.size()).has_value());
  EXPECT_EQ(pair.alpha->statistics().send_errors, 1u);
}

std::string name_of(const testing::TestParamInfo<DriverCase>& row) {
  return row.param.name;
}

INSTANTIATE_TEST_SUITE_P(Networks, LinkContractTest, testing::ValuesIn(kNetworks), name_of);
INSTANTIATE_TEST_SUITE_P(Streams, LinkContractTest, testing::ValuesIn(kStreams), name_of);
INSTANTIATE_TEST_SUITE_P(Networks, NetworkContractTest, testing::ValuesIn(kNetworks), name_of);

}  // namespace
}  // namespace qnet::link
