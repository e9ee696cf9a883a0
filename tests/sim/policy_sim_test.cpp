// SPDX-License-Identifier: Apache-2.0
//
// policy_sim_test.cpp: does each connection use the links that its policy names, and what happens when they fail?
#include "tests/sim/two_nodes_test.hpp"

namespace qnet::sim {
namespace {

class PolicySimTest : public TwoNodesTest {
 protected:
  void build_links(std::size_t links, Faults faults = {}) {
    NetworkOptions options;
    options.links = links;
    options.faults = faults;
    build(options);
    network_->run_for(100ms);
  }
  /// Data frames of both directions on that link since the last time it was asked.
  std::size_t carried_on(std::size_t link) {
    return std::exchange(data_frames_[kA][link], 0) + std::exchange(data_frames_[kB][link], 0);
  }
  int error_of_opening(std::string_view policy, std::string_view link) {
    const Result<ConnectionId> opened = network_->engine(kA).open_connection(to_b(), policy, link, network_->now());
    return opened ? 0 : opened.error().code;
  }
  int error_of_sending() {
    const Status sent =
        network_->engine(kA).send(to_b(), incarnation_, connection_, true, 0, Buffer(std::size_t{10}), network_->now());
    network_->pump(kA);
    return sent ? 0 : sent.error().code;
  }
};

TEST_F(PolicySimTest, ExclusiveUsesItsLinkOnlyInBothDirectionsWhateverIsLost) {
  build_links(3, {.loss = 0.1, .reordering = 0.1});
  open("exclusive", "en1");
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(call());
  send(300'000);
  ASSERT_TRUE(network_->run_until([this] { return replies_ == 51; }, 10s));
  EXPECT_EQ(carried_on(0) + carried_on(2), 0u);
  EXPECT_GT(carried_on(1), 300u);
}

TEST_F(PolicySimTest, ExclusiveFailsWithItsLinkAndWorksAgainWithIt) {
  build_links(2);
  open("exclusive", "en1");
  ASSERT_TRUE(call());
  cut(true, 1);
  const Instant cut_at = network_->now();
  send(100);
  ASSERT_TRUE(network_->run_until([this] { return !lost_at_.empty(); }, 2s));
  EXPECT_GE(lost_at_[0] - cut_at, 250ms);
  EXPECT_LE(lost_at_[0] - cut_at, 350ms);
  EXPECT_EQ(error_of_sending(), ENETDOWN) << "at once, now that it is known";
  EXPECT_EQ(error_of_opening("exclusive", "en1"), ENETDOWN);
  EXPECT_EQ(error_of_opening("exclusive", "en0"), 0);
  EXPECT_EQ(error_of_opening("preferred", "en1"), 0);
  EXPECT_TRUE(downs_.empty());
  network_->run_for(1s);
  EXPECT_EQ(lost_at_.size(), 1u);
  EXPECT_EQ(carried_on(0), 0u);
  cut(false, 1);
  ASSERT_TRUE(network_->run_until([this] { return error_of_opening("exclusive", "en1") == 0; }, 1500ms));
  EXPECT_TRUE(network_->run_until([this] { return replies_ == 2; }, 100ms)) << "the late answer";
  open("exclusive", "en1");
  EXPECT_TRUE(call());
  EXPECT_EQ(requests_, 3u);
  EXPECT_EQ(carried_on(0), 0u);
}

TEST_F(PolicySimTest, ExclusiveFailsWhenOnlyTheWayBackIsCut) {
  build_links(2);
  open("exclusive", "en1");
  ASSERT_TRUE(call());
  network_->set_cut(kB, kA, 1, true);
  send(100);
  EXPECT_TRUE(network_->run_until([this] { return !lost_at_.empty(); }, 600ms));
  EXPECT_EQ(replies_, 1u);
  EXPECT_EQ(carried_on(0), 0u);
}

TEST_F(PolicySimTest, ALinkThatNeverWorkedIsGivenTheCallGrace) {
  NetworkOptions options;
  options.links = 2;
  network_ = std::make_unique<SimNetwork>(options, *this);
  cut(true, 1);
  network_->start(kA);
  network_->start(kB);
  ASSERT_TRUE(network_->run_until([this] { return is_up(kA) && is_up(kB); }, 100ms));
  open("exclusive", "en1");
  EXPECT_EQ(error_of_sending(), 0);
  ASSERT_TRUE(network_->run_until([this] { return !lost_at_.empty(); }, 300ms));
  EXPECT_EQ(error_of_sending(), ENETDOWN);
  cut(false, 1);
  ASSERT_TRUE(network_->run_until([this] { return error_of_opening("exclusive", "en1") == 0; }, 3s));
  network_->run_for(1s);
  EXPECT_EQ(requests_, 0u) << "what has failed before it was sent is not executed later";
}

TEST_F(PolicySimTest, WhenThePeerIsLostExclusiveCallsEndWithThePeer) {
  build_links(2);
  open("exclusive", "en1");
  ASSERT_TRUE(call());
  cut(true, 0);
  cut(true, 1);
  send(100);
  time_until_down();
  EXPECT_TRUE(lost_at_.empty());
}

TEST_F(PolicySimTest, PreferredLeavesItsLinkOnlyWhileThatIsDownAndReturnsWhenItIsSettled) {
  build_links(3);
  open("preferred", "en2");
  call_for(200ms);
  send(300'000);
  ASSERT_TRUE(network_->run_until([this] { return replies_ == calls_ + 1; }, 1s));
  EXPECT_EQ(carried_on(0) + carried_on(1), 0u);
  EXPECT_GT(carried_on(2), 400u);

  ++calls_;
  begin_gap();
  cut(true, 2);
  call_for(300ms);
  EXPECT_LT(longest_gap_, 50ms);
  carried_on(0), carried_on(1), carried_on(2);
  call_for(100ms);
  EXPECT_EQ(carried_on(2), 0u);
  EXPECT_GT(carried_on(0) + carried_on(1), 100u);

  cut(false, 2);
  const auto is_back = [this] {
    return network_->engine(kA).paths_of(to_b())[2].is_up && network_->engine(kB).paths_of(PeerId{0})[2].is_up;
  };
  ASSERT_TRUE(network_->run_until(is_back, 1s));
  carried_on(2);
  call_for(400ms);
  EXPECT_EQ(carried_on(2), 0u) << "it has not been stable for half a second yet";
  network_->run_for(200ms);
  carried_on(0), carried_on(1);
  call_for(100ms);
  EXPECT_EQ(carried_on(0) + carried_on(1), 0u);
  EXPECT_GT(carried_on(2), 100u);
}

TEST_F(PolicySimTest, OneLostPacketDoesNotDriveThePreferredAway) {
  build_links(2, {.loss = 0.02});
  open("preferred", "en1");
  call_for(1s);
  EXPECT_LT(carried_on(0), 20u);
  EXPECT_GT(carried_on(1), 1000u);
}

TEST_F(PolicySimTest, RedundantNoticesNoLossOfALink) {
  build_links(2);
  open("redundant");
  call_for(200ms);
  begin_gap();
  cut(true, 0);
  call_for(200ms);
  cut(false, 0);
  network_->run_for(2s);
  begin_gap();
  cut(true, 1);
  call_for(200ms);
  EXPECT_LT(longest_gap_, 3ms);
  EXPECT_EQ(requests_, replies_) << "none ran twice";
}

TEST_F(PolicySimTest, RedundantSendsSmallMessagesTwiceAndBulkOnce) {
  build_links(2);
  open("redundant");
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(call());
  EXPECT_EQ(carried_on(0), 200u);
  EXPECT_EQ(carried_on(1), 200u);
  const std::uint64_t before = network_->datagrams_carried();
  is_answering_ = false;
  send(1'000'000);
  ASSERT_TRUE(network_->run_until([this] { return requests_ == 101; }, 1s));
  EXPECT_LT(network_->datagrams_carried() - before, 1100u);
}

TEST_F(PolicySimTest, SmallCallsStayOnTheQuickLink) {
  NetworkOptions options;
  options.links = 2;
  options.link_faults = {{.delay = 5ms}, {.delay = 100us}};
  build(options);
  network_->run_for(200ms);
  data_frames_ = {};
  begin_gap();
  call_for(1s);
  EXPECT_LE(carried_on(0), carried_on(1) / 50);
  EXPECT_LT(longest_gap_, 100ms);
}

TEST_F(PolicySimTest, BulkOnOneLinkDoesNotDelayCallsOnTheOther) {
  build_links(2, {.bytes_per_second = 1e6});
  open("exclusive", "en0");
  is_answering_ = false;
  for (int i = 0; i < 3; ++i) send(1'000'000);
  network_->run_for(100ms);
  is_answering_ = true;
  open("exclusive", "en1");
  begin_gap();
  call_for(500ms);
  EXPECT_LT(longest_gap_, 5ms);
}

}  // namespace
}  // namespace qnet::sim
