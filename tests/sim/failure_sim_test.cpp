// SPDX-License-Identifier: Apache-2.0
//
// failure_sim_test.cpp: how long does each kind of failure take, in virtual time?
#include "tests/sim/two_nodes_test.hpp"
#include "transport/wire/message.hpp"

namespace qnet::sim {
namespace {

using FailureSimTest = TwoNodesTest;

TEST_F(FailureSimTest, AKilledAgentIsNoticedInMillisecondsWhenItsHostSaysSo) {
  build({});
  is_answering_ = false;
  send(100);
  network_->run_for(50ms);
  network_->crash(kB);
  EXPECT_LT(time_until_down(), 100ms);
  EXPECT_EQ(downs_[0], core::DownReason::kRefused);
}

TEST_F(FailureSimTest, AVanishedHostIsNoticedAfterDetectionAndGrace) {
  NetworkOptions options;
  options.faults.sends_refusals = false;
  build(options);
  is_answering_ = false;
  send(100);
  network_->run_for(50ms);
  network_->crash(kB);
  const Duration took = time_until_down();
  EXPECT_GE(took, 280ms);
  EXPECT_LT(took, 330ms);
  EXPECT_EQ(downs_[0], core::DownReason::kSilent);
}

TEST_F(FailureSimTest, AVanishedHostIsNoticedEvenIfNobodyCallsIt) {
  NetworkOptions options;
  options.faults.sends_refusals = false;
  build(options);
  network_->run_for(3s);
  network_->crash(kB);
  EXPECT_LT(time_until_down(), 1500ms);
}

TEST_F(FailureSimTest, ARestartedAgentFailsCallsAsSoonAsItSpeaks) {
  NetworkOptions options;
  options.faults.sends_refusals = false;
  build(options);
  is_answering_ = false;
  send(100);
  network_->run_for(50ms);
  network_->crash(kB);
  network_->start(kB);
  EXPECT_LT(time_until_down(), 5ms);
  EXPECT_EQ(downs_[0], core::DownReason::kRestarted);
  EXPECT_TRUE(network_->run_until([this] { return ups_.size() == 2 && is_up(kB); }, 5ms));
  EXPECT_EQ(gone_, 1);
  is_answering_ = true;
  open();
  EXPECT_TRUE(call());
}

TEST_F(FailureSimTest, AGoodbyeIsHeardAtOnce) {
  build({});
  network_->engine(kB).say_goodbye(network_->now());
  network_->pump(kB);
  EXPECT_LT(time_until_down(), 1ms);
  EXPECT_EQ(downs_[0], core::DownReason::kGoodbye);
  EXPECT_EQ(gone_, 1);
}

TEST_F(FailureSimTest, AShortOutageKeepsTheSessionAndItsConnections) {
  build({});
  ASSERT_TRUE(call());
  cut(true);
  send(100);
  time_until_down();
  network_->run_for(3s);
  EXPECT_EQ(replies_, 1u);
  cut(false);
  EXPECT_TRUE(network_->run_until([this] { return is_up(kA) && replies_ == 2; }, 1500ms)) << "the late reply";
  EXPECT_EQ(requests_, 2u);
  EXPECT_EQ(gone_, 0);
  EXPECT_EQ(ups_[0], ups_[1]);
  EXPECT_TRUE(call());
}

TEST_F(FailureSimTest, ALongOutageEndsTheSessionOnBothSides) {
  build({});
  ASSERT_TRUE(call());
  cut(true);
  network_->run_for(12s);
  EXPECT_EQ(gone_, 1);
  cut(false);
  ASSERT_TRUE(network_->run_until([this] { return is_up(kA) && is_up(kB); }, 2s));
  open();
  EXPECT_TRUE(call());
}

TEST_F(FailureSimTest, WhenOnlyOneSideGaveUpTheOtherFollows) {
  NetworkOptions options;
  build(options);
  ASSERT_TRUE(call());
  // b stands still while a's hold runs out; then b goes on as if nothing had been.
  network_->pause(kB, 12s);
  network_->run_for(11900ms);
  EXPECT_EQ(gone_, 1);
  ASSERT_TRUE(network_->run_until([this] { return is_up(kA) && is_up(kB); }, 3s));
  open();
  EXPECT_TRUE(call());
}

TEST_F(FailureSimTest, ALyingRefusalDoesNotEndALivingSession) {
  build({});
  core::Address address;
  address.bytes[0] = std::byte{kB + 1};
  address.bytes[1] = std::byte{1};
  address.size_bytes = 2;
  for (int i = 0; i < 50; ++i) {
    network_->engine(kA).on_send_error(LinkId{0}, address, ECONNREFUSED, network_->now());
    network_->pump(kA);
    network_->run_for(3ms);
  }
  EXPECT_TRUE(downs_.empty());
  EXPECT_TRUE(call());
}

TEST_F(FailureSimTest, TheLossOfOneOfTwoLinksIsAShortGap) {
  NetworkOptions options;
  options.links = 2;
  build(options);
  call_for(100ms);
  for (std::size_t link = 0; link < 2; ++link) {
    begin_gap();
    cut(true, link);
    call_for(300ms);
    EXPECT_LT(longest_gap_, 15ms) << "link " << link;
    cut(false, link);
    call_for(3s);
  }
  EXPECT_TRUE(downs_.empty());
}

TEST_F(FailureSimTest, ANodeThatStoodStillBlamesNobody) {
  build({});
  is_answering_ = false;
  send(100);
  network_->run_for(50ms);
  network_->pause(kA, 200ms);
  network_->run_for(1s);
  EXPECT_TRUE(downs_.empty()) << core::text_of(downs_[0]);
}

TEST_F(FailureSimTest, CreditThatRunsOutDelaysButNeverLocksUp) {
  NetworkOptions options;
  options.config.connection_credit_bytes = options.config.session_credit_bytes = 1;  // raised to the least
  build(options);
  constexpr std::size_t kConnections = 40;
  for (std::size_t i = 0; i < kConnections; ++i) {
    open();
    for (int k = 0; k < 3; ++k) send(wire::kMessageBytesMax);
    send(100);
  }
  EXPECT_TRUE(network_->run_until([this] { return requests_ == 4 * kConnections; }, 30s)) << requests_;
}

TEST_F(FailureSimTest, AnEmptyMessageIsAMessage) {
  NetworkOptions options;
  options.faults.loss = 0.3;
  build(options);
  for (std::size_t i = 1; i <= 20; ++i) {
    send(0);
    EXPECT_TRUE(network_->run_until([this, i] { return replies_ == i; }, 5s));
  }
}

TEST_F(FailureSimTest, ClosedConnectionsAreForgottenOnBothSides) {
  NetworkOptions options;
  options.config.connections_max = 4;
  options.faults.loss = 0.05;
  options.faults.reordering = 0.1;
  build(options);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(call()) << i;
    network_->engine(kA).close_connection(to_b(), connection_, network_->now());
    network_->pump(kA);
    network_->run_for(20ms);
    open();
  }
}

TEST_F(FailureSimTest, OneConnectionTooManyIsENFILE) {
  NetworkOptions options;
  options.config.connections_max = 3;
  build(options);
  open();
  open();
  const Result<ConnectionId> fourth = network_->engine(kA).open_connection(to_b(), "", "", network_->now());
  EXPECT_EQ(fourth.error().code, ENFILE);
}

TEST_F(FailureSimTest, AgentsOneVersionApartWorkTogether) {
  NetworkOptions options;
  options.config.protocol_highest = 2;
  network_ = std::make_unique<SimNetwork>(options, *this);
  network_->start(kA);
  network_->config().protocol_highest = 1;
  network_->start(kB);
  ASSERT_TRUE(network_->run_until([this] { return is_up(kA) && is_up(kB); }, 100ms));
  open();
  EXPECT_TRUE(call());
}

/// Goodput of 1 MiB messages over a link of 1 Gbit/s and 0.4 ms, as a share of the link.
class GoodputSimTest : public FailureSimTest {
 protected:
  double share(Faults faults, std::size_t datagram_bytes) {
    NetworkOptions options;
    faults.bytes_per_second = 125e6;
    faults.delay = 200us;
    options.faults = faults;
    options.datagram_bytes = datagram_bytes;
    build(options);
    is_answering_ = false;
    constexpr std::size_t kAhead = 6;
    std::size_t sent = 0;
    const auto keep_busy = [&] {
      while (sent < requests_ + kAhead) {
        send(1 << 20);
        ++sent;
      }
      return false;
    };
    network_->run_until(keep_busy, 100ms);
    const std::uint64_t before = bytes_received_;
    const Instant since = network_->now();
    network_->run_until(keep_busy, 300ms);
    const double seconds = std::chrono::duration<double>(network_->now() - since).count();
    return static_cast<double>(bytes_received_ - before) / seconds / 125e6;
  }
};

TEST_F(GoodputSimTest, FillsACleanLink) {
  EXPECT_GT(share({}, 1472), 0.90);
}
TEST_F(GoodputSimTest, HardlySuffersFromOnePercentLoss) {
  EXPECT_GT(share({.loss = 0.01}, 1472), 0.88);
}
TEST_F(GoodputSimTest, SurvivesReordering) {
  EXPECT_GT(share({.reordering = 0.02, .reorder_delay = 1ms}, 1472), 0.80);
}
TEST_F(GoodputSimTest, LivesWithAShortQueue) {
  EXPECT_GT(share({.queue_max = 500us}, 1472), 0.75);
}

}  // namespace
}  // namespace qnet::sim
