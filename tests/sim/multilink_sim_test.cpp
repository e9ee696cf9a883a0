// SPDX-License-Identifier: Apache-2.0
//
// multilink_sim_test.cpp: what do several links give together, and what does losing one cost, in virtual time?
#include <numeric>

#include "tests/sim/two_nodes_test.hpp"

namespace qnet::sim {
namespace {

constexpr double kMegabit = 1e6 / 8;

Faults link_of(double megabits, Duration delay = 100us) {
  // As a shaped link of the lab: 50 ms of queue.
  return {.delay = delay, .bytes_per_second = megabits * kMegabit, .queue_max = 50ms};
}

class MultilinkSimTest : public TwoNodesTest {
 protected:
  void build_links(std::vector<Faults> links) {
    NetworkOptions options;
    options.links = links.size();
    options.link_faults = std::move(links);
    build(options);
    network_->run_for(100ms);
    is_answering_ = false;
  }
  /// Keeps `ahead` messages on their way; for run_until().
  bool keep_busy(std::size_t message_bytes, std::size_t ahead) {
    while (sent_ < requests_ + ahead) {
      send(message_bytes);
      ++sent_;
    }
    return false;
  }
  /// Payload bytes per second that arrive meanwhile.
  double goodput_for(Duration how_long, std::size_t message_bytes = 128 << 10, std::size_t ahead = 48) {
    const std::uint64_t before = bytes_received_;
    const Instant since = network_->now();
    network_->run_until([&] { return keep_busy(message_bytes, ahead); }, how_long);
    const double seconds = std::chrono::duration<double>(network_->now() - since).count();
    return static_cast<double>(bytes_received_ - before) / seconds;
  }
  double goodput(std::vector<Faults> links, std::size_t message_bytes = 128 << 10, std::size_t ahead = 48) {
    bytes_received_ = sent_ = requests_ = 0;
    build_links(std::move(links));
    goodput_for(300ms, message_bytes, ahead);
    return goodput_for(2s, message_bytes, ahead);
  }
  struct Shares {
    double of_sum, of_best;
  };
  /// All together, against what each gives alone.
  Shares shares(const std::vector<Faults>& links, std::size_t message_bytes = 128 << 10, std::size_t ahead = 48) {
    double sum = 0;
    double best = 0;
    for (const Faults& link : links) {
      const double alone = goodput({link}, message_bytes, ahead);
      EXPECT_GT(alone, (ahead == 1 ? 0.5 : 0.88) * link.bytes_per_second) << "alone";
      sum += alone;
      best = std::max(best, alone);
    }
    const double together = goodput(links, message_bytes, ahead);
    return {together / sum, together / best};
  }
  std::size_t usable_paths() {
    const std::vector<core::PathView> paths = network_->engine(kA).paths_of(to_b());
    return static_cast<std::size_t>(
        std::count_if(paths.begin(), paths.end(), [](const core::PathView& path) { return path.is_up; }));
  }

  std::size_t sent_ = 0;
};

TEST_F(MultilinkSimTest, TwoEqualLinksGiveTheirSum) {
  EXPECT_GE(shares({2, link_of(100)}).of_sum, 0.97);
}
TEST_F(MultilinkSimTest, FourEqualLinksGiveTheirSum) {
  EXPECT_GE(shares({4, link_of(250)}).of_sum, 0.97);
}
TEST_F(MultilinkSimTest, UnequalLinksGiveTheirSumAndNeverLessThanTheBestAlone) {
  const Shares shared = shares({link_of(100), link_of(10)});
  EXPECT_GE(shared.of_sum, 0.92);
  EXPECT_GE(shared.of_best, 0.98);
}
TEST_F(MultilinkSimTest, AFarLinkAddsToANearOne) {
  const Shares shared = shares({link_of(1000), link_of(100, 10ms)});
  EXPECT_GE(shared.of_sum, 0.92);
  EXPECT_GE(shared.of_best, 0.98);
}
TEST_F(MultilinkSimTest, OneMessageAtATimeIsNotSlowerThanOnTheBestLink) {
  EXPECT_GE(shares({link_of(100), link_of(10)}, 256 << 10, 1).of_best, 0.98);
  EXPECT_GE(shares({link_of(100), link_of(100)}, 1 << 20, 1).of_sum, 0.90);
  EXPECT_GE(shares({link_of(1000), link_of(1000)}, 64 << 10, 1).of_best, 0.98);
}
TEST_F(MultilinkSimTest, LossAndJitterCostTheirShareOnly) {
  Faults lossy = link_of(100);
  lossy.loss = 0.01;
  Faults uneven = link_of(100);
  uneven.jitter = 200us;
  EXPECT_GE(shares({lossy, uneven}).of_sum, 0.93);
}

TEST_F(MultilinkSimTest, ALargeMessageEndsOnAllLinksTogether) {
  const std::vector<Faults> links = {link_of(100), link_of(50), link_of(10)};
  const double sum = std::accumulate(links.begin(), links.end(), 0.0,
                                     [](double rates, const Faults& link) { return rates + link.bytes_per_second; });
  build_links(links);
  goodput_for(300ms);
  ASSERT_TRUE(network_->run_until([this] { return requests_ == sent_; }, 5s));
  constexpr std::size_t kBytes = 1 << 20;
  const Instant since = network_->now();
  send(kBytes);
  ASSERT_TRUE(network_->run_until([this] { return requests_ == sent_ + 1; }, 5s));
  const double took = std::chrono::duration<double>(network_->now() - since).count();
  EXPECT_LT(took, 1.08 * kBytes / (0.938 * sum)) << "0.938 is what the heads leave";
}

TEST_F(MultilinkSimTest, ASilentCutIsAShortGapForCallsAndForBulk) {
  for (const std::size_t victim : {0u, 1u}) {
    build_links({2, link_of(100)});
    is_answering_ = true;
    call_for(300ms);
    begin_gap();
    cut(true, victim);
    call_for(500ms);
    EXPECT_LT(longest_gap_, 15ms) << "link " << victim;
    EXPECT_TRUE(downs_.empty());
    calls_ = replies_ = 0;
  }
  bytes_received_ = requests_ = 0;
  build_links({2, link_of(100)});
  goodput_for(300ms);
  cut(true, 1);
  goodput_for(150ms);
  EXPECT_GT(goodput_for(300ms), 0.8 * 100 * kMegabit) << "what is left carries what it can";
}

TEST_F(MultilinkSimTest, ALostCarrierIsNoGapWhereItIsNoticedAndAShortOneElsewhere) {
  for (const bool both_notice : {true, false}) {
    build_links({2, link_of(100)});
    is_answering_ = true;
    calls_ = replies_ = 0;
    call_for(300ms);
    begin_gap();
    network_->set_carrier(kA, 0, false);
    if (both_notice) network_->set_carrier(kB, 0, false);
    EXPECT_EQ(usable_paths(), 1u) << "at once";
    call_for(500ms);
    EXPECT_LT(longest_gap_, both_notice ? 2ms : 15ms);
    network_->set_carrier(kA, 0, true);
    network_->set_carrier(kB, 0, true);
    EXPECT_EQ(usable_paths(), 1u) << "first it has to prove itself";
    call_for(500ms);
    EXPECT_EQ(usable_paths(), 2u);
    EXPECT_TRUE(downs_.empty());
  }
}

TEST_F(MultilinkSimTest, AWholeBatchInFlightOnALostCarrierGoesOverTheOtherLink) {
  build_links({2, link_of(100)});
  goodput_for(300ms);
  network_->set_carrier(kA, 0, false);
  network_->set_carrier(kB, 0, false);
  const std::size_t before = data_frames_[kA][0];
  EXPECT_GT(goodput_for(300ms), 0.85 * 100 * kMegabit);
  EXPECT_EQ(data_frames_[kA][0], before) << "nothing is tried there";
}

TEST_F(MultilinkSimTest, ACarrierThatComesLateBringsItsLink) {
  NetworkOptions options;
  options.links = 2;
  network_ = std::make_unique<SimNetwork>(options, *this);
  network_->set_carrier(kA, 0, false);
  network_->set_carrier(kA, 1, false);
  network_->start(kA);
  network_->start(kB);
  network_->run_for(3s);
  EXPECT_FALSE(is_up(kA));
  network_->set_carrier(kA, 1, true);
  EXPECT_TRUE(network_->run_until([this] { return is_up(kA) && is_up(kB); }, 5ms)) << "greets at once";
  EXPECT_EQ(usable_paths(), 1u);
  network_->set_carrier(kA, 0, true);
  EXPECT_TRUE(network_->run_until([this] { return usable_paths() == 2; }, 50ms));
}

TEST_F(MultilinkSimTest, AOneWayCutIsAShortGapInEitherDirection) {
  for (const bool is_way_out : {true, false}) {
    build_links({2, link_of(100)});
    is_answering_ = true;
    call_for(300ms);
    begin_gap();
    for (std::size_t link : {0u, 1u}) {
      if (is_way_out) network_->set_cut(kA, kB, link, true);
      else network_->set_cut(kB, kA, link, true);
      call_for(500ms);
      EXPECT_EQ(usable_paths(), 1u) << "half a link is none";
      cut(false, link);
      call_for(1500ms);
      EXPECT_EQ(usable_paths(), 2u);
    }
    EXPECT_LT(longest_gap_, 20ms);
    EXPECT_TRUE(downs_.empty());
    calls_ = replies_ = 0;
  }
}

TEST_F(MultilinkSimTest, AFlappingLinkDisturbsNobody) {
  for (const Duration period : {Duration(20ms), Duration(50ms), Duration(200ms)}) {
    build_links({2, link_of(100)});
    is_answering_ = true;
    call_for(200ms);
    begin_gap();
    for (Duration passed{}; passed < 4s; passed += 2 * period) {
      cut(true, 0);
      call_for(period);
      cut(false, 0);
      call_for(period);
    }
    EXPECT_LT(longest_gap_, 20ms) << period.count() << " ns";
    EXPECT_TRUE(downs_.empty());
    calls_ = replies_ = 0;
  }
}

TEST_F(MultilinkSimTest, ARecoveredLinkCarriesItsShareWithinOneAndAHalfSeconds) {
  for (const Duration outage : {Duration(100ms), Duration(1s), Duration(5s)}) {
    bytes_received_ = sent_ = requests_ = 0;
    build_links({2, link_of(100)});
    const double whole = goodput_for(1s);
    cut(true, 1);
    goodput_for(outage);
    cut(false, 1);
    goodput_for(1500ms);
    EXPECT_GT(goodput_for(500ms), 0.95 * whole) << outage.count() << " ns";
  }
}

TEST_F(MultilinkSimTest, AFarLinkComesBackAsWell) {
  for (const Duration delay : {Duration(20ms), Duration(100ms)}) {
    build_links({link_of(100), link_of(100, delay)});
    is_answering_ = true;
    calls_ = replies_ = 0;
    call_for(1s);
    cut(true, 1);
    call_for(2s);
    EXPECT_EQ(usable_paths(), 1u);
    cut(false, 1);
    call_for(2s);
    EXPECT_EQ(usable_paths(), 2u) << delay.count() << " ns";
  }
}

TEST_F(MultilinkSimTest, ALinkThatBecomesAHundredTimesSlowerIsNotDown) {
  for (const bool is_exclusive : {true, false}) {
    build_links({2, link_of(5000)});
    if (is_exclusive) open("exclusive", "en0");
    is_answering_ = true;
    reply_bytes_ = 1 << 20;
    replies_ = calls_ = 0;
    call_for(200ms);
    network_->faults(0).bytes_per_second = 50 * kMegabit;
    begin_gap();
    for (int i = 0; i < 20; ++i) {
      call_for(50ms);
      EXPECT_EQ(usable_paths(), 2u);
    }
    EXPECT_TRUE(lost_at_.empty());
    EXPECT_LT(longest_gap_, 400ms) << "a message takes 170 ms";
  }
}

TEST_F(MultilinkSimTest, StallsOfTheNodesAreNotFailuresOfTheLinks) {
  build_links({2, link_of(100)});
  is_answering_ = true;
  for (int i = 0; i < 200; ++i) {
    const std::size_t node = network_->random(2);
    network_->pause(node, Duration(network_->random(30'000'000)));
    call_for(Duration(network_->random(60'000'000)));
    ASSERT_EQ(usable_paths(), 2u) << "stall " << i;
  }
}

TEST_F(MultilinkSimTest, BulkOnAllLinksDelaysCallsByItsQueueOnly) {
  build_links({2, link_of(1000)});
  is_answering_ = true;
  answered_bytes_max_ = 1000;
  const ConnectionId bulk = connection_;
  open();
  const Instant end = network_->now() + 1s;
  std::vector<Duration> took;
  while (network_->now() < end) {
    for (; sent_ < 6 + (bytes_received_ >> 20); ++sent_) send_on(bulk, 1 << 20);
    const std::size_t before = replies_;
    const Instant since = network_->now();
    send(100);
    network_->run_until([&] { return replies_ > before; }, 1s);
    took.push_back(network_->now() - since);
    network_->run_for(1ms);
  }
  EXPECT_GT(bytes_received_, 0.8 * 2 * 1000 * kMegabit);
  std::sort(took.begin(), took.end());
  EXPECT_LT(took[took.size() * 99 / 100], 2ms + 300us);
}

}  // namespace
}  // namespace qnet::sim
