// SPDX-License-Identifier: Apache-2.0
//
// path_parts_test.cpp: the parts that judge one path: round trip, health, allowance, losses, acknowledgements.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "transport/core/acknowledger.hpp"
#include "transport/core/congestion.hpp"
#include "transport/core/datagram_size.hpp"
#include "transport/core/link_monitor.hpp"
#include "transport/core/sent_packets.hpp"

namespace qnet::core {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{1000s};
constexpr MonitorTimes kTimes{10ms, 1s, 40ms};
constexpr Duration kTimeout = 3ms;

TEST(RttEstimatorTest, AgreesWithTheFormulasOfRfc6298) {
  RttEstimator rtt;
  double smoothed = 0;
  double variation = 0;
  std::mt19937_64 random(1);
  Instant now = kStart;
  for (int i = 0; i < 1000; ++i) {
    const auto sample = Duration(100'000 + random() % 900'000);
    const auto value = static_cast<double>(sample.count());
    if (i == 0) {
      smoothed = value;
      variation = value / 2;
    } else {
      variation = 0.75 * variation + 0.25 * std::fabs(smoothed - value);
      smoothed = 0.875 * smoothed + 0.125 * value;
    }
    rtt.on_sample(sample, Duration::zero(), now += 1ms);
    EXPECT_NEAR(static_cast<double>(rtt.smoothed().count()), smoothed, 50);
    EXPECT_NEAR(static_cast<double>(rtt.variation().count()), variation, 50);
  }
}

TEST(RttEstimatorTest, HeldBackAnswersDoNotCountAndOldMinimaAreForgotten) {
  RttEstimator rtt;
  rtt.on_sample(100us, 0us, kStart);
  rtt.on_sample(1100us, 1000us, kStart + 1ms);
  EXPECT_EQ(rtt.smoothed(), 100us);
  EXPECT_EQ(rtt.minimum(), 100us);
  for (int s = 1; s <= 40; ++s) rtt.on_sample(500us, 0us, kStart + s * 1s);
  EXPECT_EQ(rtt.minimum(), 500us);
}

TEST(RttEstimatorTest, OneAnswerThatIsSecondsLateDoesNotMakeThePathSlow) {
  RttEstimator rtt;
  for (int i = 0; i < 100; ++i) rtt.on_sample(50us, 0us, kStart);
  rtt.on_sample(2500ms, 0us, kStart);
  EXPECT_LT(rtt.probe_timeout(0), 150ms);
  for (int i = 0; i < 100; ++i) rtt.on_sample(80ms, 0us, kStart);
  EXPECT_GT(rtt.smoothed(), 70ms) << "but a slow path is learned";
}

TEST(RttEstimatorTest, ProbeTimeoutHasAFloorAndDoublesUpToItsCeiling) {
  RttEstimator rtt;
  for (int i = 0; i < 100; ++i) rtt.on_sample(50us, 0us, kStart);
  EXPECT_GE(rtt.probe_timeout(0), 2ms);
  EXPECT_LE(rtt.probe_timeout(0), 4ms);
  EXPECT_EQ(rtt.probe_timeout(1), 2 * rtt.probe_timeout(0));
  EXPECT_EQ(rtt.probe_timeout(30), 200ms);
}

LinkMonitor monitor_that_is_up() {
  LinkMonitor monitor(kTimes);
  monitor.on_confirmed(kStart, true);
  EXPECT_EQ(monitor.state(), LinkState::kUp);
  return monitor;
}

TEST(LinkMonitorTest, ProbesOnlyAfterSilence) {
  LinkMonitor monitor = monitor_that_is_up();
  EXPECT_FALSE(monitor.wants_probe(kStart + 5ms, true));
  EXPECT_TRUE(monitor.wants_probe(kStart + 10ms, true));
  EXPECT_FALSE(monitor.wants_probe(kStart + 10ms, false));
  EXPECT_TRUE(monitor.wants_probe(kStart + 1s, false));
  monitor.on_confirmed(kStart + 9ms, true);
  EXPECT_FALSE(monitor.wants_probe(kStart + 10ms, true));
}

TEST(LinkMonitorTest, DiesAfterSilenceAndThreeProbesAndNotBefore) {
  LinkMonitor monitor = monitor_that_is_up();
  const Instant first = kStart + 10ms;
  monitor.on_sent(first, true, 0);
  monitor.on_timeout(first);
  EXPECT_EQ(monitor.state(), LinkState::kSuspect);
  monitor.on_sent(first + 10ms, true, 0);
  EXPECT_FALSE(monitor.is_dead(first + 100ms, kTimeout)) << "two probes are not three";
  monitor.on_sent(first + 20ms, true, 0);
  EXPECT_FALSE(monitor.is_dead(first + 39ms, kTimeout));
  EXPECT_TRUE(monitor.is_dead(first + 40ms, kTimeout));
  EXPECT_EQ(monitor.deadline(true, kTimeout), first + 30ms) << "the next probe comes first";
  monitor.on_confirmed(first + 39ms, true);
  EXPECT_FALSE(monitor.is_dead(first + 50ms, kTimeout));
  EXPECT_EQ(monitor.state(), LinkState::kUp);
}

TEST(LinkMonitorTest, WaitsLongerWhileSomethingArrivesButNotForEver) {
  LinkMonitor monitor = monitor_that_is_up();
  for (int i = 0; i < 3; ++i) monitor.on_sent(kStart + i * 10ms, true, 0);
  for (Duration passed{}; passed < 200ms; passed += 5ms) {
    monitor.on_arrival(kStart + passed);
    EXPECT_FALSE(monitor.is_dead(kStart + passed, kTimeout)) << passed.count();
  }
  LinkMonitor other = monitor;
  other.on_confirmed(kStart + 195ms, true);
  EXPECT_FALSE(other.is_dead(kStart + 300ms, kTimeout));
  EXPECT_TRUE(monitor.is_dead(kStart + 200ms, kTimeout)) << "the way out must be broken";
}

TEST(LinkMonitorTest, ASlowPathIsNotADeadOne) {
  LinkMonitor monitor = monitor_that_is_up();
  for (int i = 0; i < 5; ++i) monitor.on_sent(kStart + i * 10ms, true, 0);
  EXPECT_FALSE(monitor.is_dead(kStart + 90ms, 100ms));
  EXPECT_TRUE(monitor.is_dead(kStart + 200ms, 100ms));
  EXPECT_TRUE(monitor.is_dead(kStart + 400ms, 5s)) << "a probe timeout of seconds comes from a node that stood still";
}

TEST(LinkMonitorTest, ARefusalIsBelievedOnlyWhenProbesStayUnanswered) {
  LinkMonitor monitor = monitor_that_is_up();
  EXPECT_TRUE(monitor.on_send_error(kStart + 1ms, true));
  EXPECT_FALSE(monitor.on_send_error(kStart + 1ms, true)) << "no news";
  EXPECT_TRUE(monitor.wants_probe(kStart + 1ms, false)) << "asks at once";
  monitor.on_sent(kStart + 1ms, true, 0);
  monitor.on_sent(kStart + 11ms, true, 0);
  EXPECT_FALSE(monitor.is_dead(kStart + 25ms, kTimeout));
  EXPECT_TRUE(monitor.is_dead(kStart + 26ms, kTimeout));
  LinkMonitor other = monitor;
  other.on_confirmed(kStart + 20ms, true);
  EXPECT_FALSE(other.is_dead(kStart + 30ms, kTimeout));
  monitor.go_down(kStart + 26ms);
  EXPECT_EQ(monitor.reason(), PathReason::kRefused);
}

/// Answers every 20 ms from `from` until it is up; how long that took.
Duration time_to_return(LinkMonitor& monitor, Instant from, bool is_only = false) {
  Instant now = from;
  for (; now < from + 30s; now += monitor.probing_interval()) {
    monitor.on_confirmed(now, is_only);
    if (monitor.is_usable()) break;
    EXPECT_EQ(monitor.state(), LinkState::kProbing);
  }
  return now - from;
}

TEST(LinkMonitorTest, ReturnsAtOnceIfItIsTheOnlyPathAndHesitantlyOtherwise) {
  LinkMonitor monitor = monitor_that_is_up();
  monitor.go_down(kStart + 1s);
  LinkMonitor other = monitor;
  EXPECT_EQ(time_to_return(other, kStart + 2s, true), 0ms);
  EXPECT_EQ(time_to_return(monitor, kStart + 2s), LinkMonitor::kHoldFirst);
  EXPECT_FALSE(monitor.is_settled(kStart + 2s + 699ms));
  EXPECT_TRUE(monitor.is_settled(kStart + 2s + 700ms));
}

TEST(LinkMonitorTest, APathThatHasNotFailedNeedsNoProof) {
  LinkMonitor monitor(kTimes);
  monitor.on_confirmed(kStart, false);
  EXPECT_TRUE(monitor.is_settled(kStart));
  monitor.go_down(kStart + 1s);
  monitor.forgive();
  monitor.on_confirmed(kStart + 2s, false);
  EXPECT_TRUE(monitor.is_settled(kStart + 2s)) << "the peer had been silent, not the path";
}

TEST(LinkMonitorTest, AnAnswerThatStaysAwayBeginsTheProofAnew) {
  LinkMonitor monitor = monitor_that_is_up();
  monitor.go_down(kStart + 1s);
  for (int i = 0; i < 8; ++i) monitor.on_confirmed(kStart + 2s + i * 20ms, false);
  monitor.on_confirmed(kStart + 2s + 250ms, false);
  EXPECT_EQ(monitor.state(), LinkState::kProbing);
  EXPECT_EQ(time_to_return(monitor, kStart + 2s + 270ms), 180ms);
}

TEST(LinkMonitorTest, EveryFailureDoublesTheProofUntilQuietTimesHalveIt) {
  LinkMonitor monitor = monitor_that_is_up();
  Instant now = kStart;
  for (Duration expected = LinkMonitor::kHoldFirst; expected < LinkMonitor::kHoldMax; expected *= 2) {
    monitor.go_down(now += 100ms);
    const Duration took = time_to_return(monitor, now);
    EXPECT_GE(took, expected);
    EXPECT_LE(took, expected + monitor.probing_interval());
    now += took;
  }
  monitor.go_down(now += 70s);
  EXPECT_EQ(time_to_return(monitor, now), LinkMonitor::kHoldFirst);
}

TEST(LinkMonitorTest, TellsItsStateSinceWhenAndWhy) {
  LinkMonitor monitor(kTimes);
  const auto expect = [&monitor](LinkState state, PathReason reason, Duration since) {
    EXPECT_EQ(text_of(monitor.state()), text_of(state));
    EXPECT_EQ(text_of(monitor.reason()), text_of(reason));
    EXPECT_EQ(monitor.since(), kStart + since);
  };
  EXPECT_EQ(monitor.reason(), PathReason::kNeverHeard);
  EXPECT_FALSE(monitor.since());
  monitor.on_confirmed(kStart, true);
  expect(LinkState::kUp, PathReason::kNone, 0ms);
  monitor.on_confirmed(kStart + 1s, true);
  monitor.on_timeout(kStart + 2s);
  monitor.on_timeout(kStart + 3s);
  expect(LinkState::kSuspect, PathReason::kLate, 2s);
  monitor.go_down(kStart + 4s);
  expect(LinkState::kDown, PathReason::kSilent, 4s);
  monitor.begin(kStart + 5s);
  expect(LinkState::kDown, PathReason::kSilent, 4s);
  EXPECT_EQ(monitor.downs(), 1u);
  monitor.on_confirmed(kStart + 6s, true);
  monitor.begin(kStart + 7s);
  expect(LinkState::kDown, PathReason::kPeerGone, 7s);
  monitor.on_confirmed(kStart + 8s, true);
  monitor.on_send_error(kStart + 9s, false);
  expect(LinkState::kSuspect, PathReason::kUnreachable, 9s);
  monitor.go_down(kStart + 10s);
  expect(LinkState::kDown, PathReason::kUnreachable, 10s);
  monitor.on_confirmed(kStart + 11s, false);
  expect(LinkState::kProbing, PathReason::kUnreachable, 11s);
  EXPECT_EQ(monitor.downs(), 3u);
}

TEST(LinkMonitorTest, AStallOfOurOwnIsNobodysSilence) {
  LinkMonitor monitor = monitor_that_is_up();
  for (int i = 0; i < 3; ++i) monitor.on_sent(kStart + i * 1ms, true, 0);
  monitor.shift(500ms, kStart + 502ms);
  EXPECT_FALSE(monitor.is_dead(kStart + 502ms, kTimeout));
  EXPECT_TRUE(monitor.is_dead(kStart + 542ms, kTimeout));
}

TEST(CongestionTest, GrowsToWhatThePathCarries) {
  RttEstimator rtt;
  Congestion congestion;
  constexpr double kBytesPerSecond = 1e9;
  constexpr Duration kRoundTrip = 500us;
  Instant now = kStart;
  for (int round = 0; round < 50; ++round) {
    std::size_t bytes = 0;
    Congestion::Stamp stamp;
    while (congestion.can_send()) {
      stamp = congestion.on_sent(1000, now);
      bytes += 1000;
    }
    const Duration serial(static_cast<std::int64_t>(1e9 * static_cast<double>(bytes) / kBytesPerSecond));
    const Instant sent_at = now;
    now += kRoundTrip + serial;
    congestion.on_acked(bytes);
    rtt.on_sample(kRoundTrip, 0us, now);
    congestion.on_sample(stamp, sent_at, rtt, now);
  }
  EXPECT_GT(congestion.cap_bytes(), 500'000u) << "the product of rate and round trip";
  EXPECT_LT(congestion.cap_bytes(), 2'000'000u);
}

TEST(CongestionTest, SomeLossChangesNothingAndHeavyLossCuts) {
  RttEstimator rtt;
  rtt.on_sample(1ms, 0us, kStart);
  const auto run = [&rtt](std::size_t lost_percent) {
    Congestion congestion;
    Instant now = kStart;
    for (int i = 0; i < 200; ++i) {
      const Congestion::Stamp stamp = congestion.on_sent(100'000, now);
      now += 1ms;
      congestion.on_lost(1000 * lost_percent);
      congestion.on_acked(100'000 - 1000 * lost_percent);
      congestion.on_sample(stamp, now - 1ms, rtt, now);
    }
    return congestion.cap_bytes();
  };
  EXPECT_GT(run(1), 250'000u);
  EXPECT_LT(run(40), run(1) / 2);
}

/// Counts what happens to each frame, by its number in `connection`.
struct Ledger final : FrameSink {
  void on_frame_acked(const FrameRecord& frame) override { ++acked[frame.connection]; }
  void on_frame_lost(const FrameRecord& frame) override { ++lost[frame.connection]; }
  std::map<std::uint32_t, int> acked;
  std::map<std::uint32_t, int> lost;
};

class SentPacketsTest : public ::testing::Test {
 protected:
  void send(int count) {
    for (int i = 0; i < count; ++i) {
      sent_.add_frame({.type = wire::FrameType::kData, .connection = static_cast<std::uint32_t>(sent_.next_number())});
      sent_.commit(1000, true, now_, congestion_);
    }
  }
  bool ack(std::uint64_t first, std::uint64_t last) {
    wire::AckFrame frame;
    frame.largest = last;
    frame.range_count = 1;
    frame.ranges[0] = {0, static_cast<std::uint16_t>(last - first + 1)};
    return sent_.on_ack(frame, now_, rtt_, congestion_, ledger_, is_progress_);
  }

  Instant now_ = kStart;
  RttEstimator rtt_;
  Congestion congestion_;
  Ledger ledger_;
  SentPackets sent_;
  bool is_progress_ = false;
};

TEST_F(SentPacketsTest, OvertakenPacketsAreLostAndEachFrameIsToldOnce) {
  send(10);
  now_ += 100us;
  ASSERT_TRUE(ack(4, 6));
  EXPECT_EQ(ledger_.lost, (std::map<std::uint32_t, int>{{1, 1}, {2, 1}, {3, 1}}));
  EXPECT_EQ(ledger_.acked, (std::map<std::uint32_t, int>{{4, 1}, {5, 1}, {6, 1}}));
  ASSERT_TRUE(ack(4, 6));
  EXPECT_FALSE(is_progress_);
  EXPECT_EQ(sent_.outstanding(), 4u);
  EXPECT_EQ(congestion_.in_flight_bytes(), 4000u);
}

TEST_F(SentPacketsTest, LatePacketsTeachPatience) {
  send(4);
  now_ += 100us;
  ack(4, 4);
  EXPECT_EQ(ledger_.lost.size(), 1u);
  ack(1, 4);  // 1 was only late.
  EXPECT_EQ(ledger_.acked[1], 1);
  send(4);
  ack(8, 8);
  EXPECT_EQ(ledger_.lost.size(), 1u) << "overtaken by three, but we wait longer now";
  ASSERT_TRUE(sent_.loss_time().has_value());
  now_ = *sent_.loss_time();
  sent_.detect_losses(now_, rtt_, congestion_, ledger_);
  EXPECT_EQ(ledger_.lost.size(), 4u);
}

TEST_F(SentPacketsTest, RescueDoesNotCallAnythingLost) {
  send(5);
  EXPECT_EQ(sent_.rescue_oldest(2, ledger_), 2u);
  EXPECT_EQ(ledger_.lost.size(), 2u);
  EXPECT_EQ(sent_.outstanding(), 5u);
  sent_.abandon_all(congestion_, ledger_);
  EXPECT_EQ(ledger_.lost, (std::map<std::uint32_t, int>{{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}}));
  EXPECT_EQ(congestion_.in_flight_bytes(), 0u);
}

TEST_F(SentPacketsTest, RefusesAcknowledgementsOfTheFuture) {
  send(3);
  EXPECT_FALSE(ack(3, 4));
  EXPECT_EQ(sent_.outstanding(), 3u);
}

/// A round in which a large datagram was lost and a small one acknowledged.
constexpr SizeNews black_round(std::uint64_t lost_number) {
  return {.acked_bytes = 60, .lost_bytes = 1472, .lost_number = lost_number};
}

TEST(DatagramSizeTest, FallsAfterTwoRoundsInWhichOnlyLargeOnesVanish) {
  DatagramSize size;
  size.limit(1472, true);
  size.on_news(black_round(5), 10, kStart);
  size.on_news(black_round(9), 20, kStart);
  EXPECT_EQ(size.bytes(), 1472u) << "the same round, told twice";
  size.on_news(black_round(10), 20, kStart);
  EXPECT_EQ(size.bytes(), DatagramSize::kBase);
  EXPECT_EQ(size.trial_bytes(), 1472u) << "it may have been bad luck";
  EXPECT_EQ(size.trial_at(), kStart);
}

TEST(DatagramSizeTest, OneLargeDatagramThatPassesSaysThatAllIsWell) {
  DatagramSize size;
  size.limit(1472, true);
  for (std::uint64_t number = 1; number < 100; ++number) {
    size.on_news(black_round(number), number + 1, kStart);
    size.on_news({.acked_bytes = 1472}, number + 1, kStart);
  }
  EXPECT_EQ(size.bytes(), 1472u);
}

TEST(DatagramSizeTest, ASizeThatIsConfiguredStays) {
  DatagramSize size;
  size.limit(1472, false);
  for (std::uint64_t number = 1; number < 10; ++number) size.on_news(black_round(number), number + 1, kStart);
  size.on_refused(kStart);
  EXPECT_EQ(size.bytes(), 1472u);
  EXPECT_FALSE(size.trial_at().has_value());
}

TEST(DatagramSizeTest, TheSearchEndsWhereARouterRefusesWhatIsTooLong) {
  for (const std::size_t passes : {1200u, 1208u, 1372u, 1440u}) {
    DatagramSize size;
    size.limit(1472, true);
    size.on_refused(kStart);
    for (int trials = 0; size.trial_at() == kStart; ++trials) {
      ASSERT_LT(trials, 20) << passes;
      const std::size_t bytes = size.trial_bytes();
      size.on_trial_sent();
      if (bytes > passes) size.on_refused(kStart);
      else size.on_news({.acked_bytes = bytes}, 2, kStart);
    }
    EXPECT_LE(size.bytes(), passes);
    EXPECT_GE(size.bytes() + DatagramSize::kStep, passes);
  }
}

TEST(DatagramSizeTest, NumbersBeginAnewWithASession) {
  DatagramSize size;
  size.limit(1472, true);
  size.on_news(black_round(5000), 5001, kStart);
  size.on_abandoned(kStart);
  size.on_news(black_round(1), 3, kStart);
  size.on_news(black_round(3), 5, kStart);
  EXPECT_EQ(size.bytes(), DatagramSize::kBase);
}

TEST(DatagramSizeTest, TheSearchEndsBelowWhatDoesNotPassAndIsRepeatedLater) {
  for (std::size_t passes = DatagramSize::kBase; passes < 9000; passes += 100) {
    DatagramSize size;
    size.limit(8972, true);
    size.on_refused(kStart);
    for (int trials = 0; size.trial_at() == kStart; ++trials) {
      ASSERT_LT(trials, 100);
      const std::size_t bytes = size.trial_bytes();
      size.on_trial_sent();
      size.on_news(bytes <= passes ? SizeNews{.acked_bytes = bytes} : SizeNews{.acked_bytes = 60, .lost_bytes = bytes},
                   2, kStart);
    }
    EXPECT_LE(size.bytes(), passes);
    EXPECT_GE(size.bytes() + DatagramSize::kStep, std::min<std::size_t>(passes, 8972));
    EXPECT_EQ(size.trial_at().has_value(), size.bytes() < 8972);
  }
}

TEST(AcknowledgerTest, WaitsForACarrierUnlessThereIsAReason) {
  Acknowledger acknowledger;
  wire::PacketHeader header;
  header.number = 1;
  acknowledger.on_received(header, 100, kAckDelayRequest, 0, kStart);
  EXPECT_FALSE(acknowledger.is_due(kStart + 199us));
  EXPECT_TRUE(acknowledger.is_due(kStart + 200us));
  acknowledger.on_frame_sent();
  EXPECT_FALSE(acknowledger.is_pending());

  header.number = 3;  // 2 is missing.
  acknowledger.on_received(header, 100, kAckDelayRequest, 0, kStart + 1ms);
  EXPECT_TRUE(acknowledger.is_due(kStart + 1ms));
  EXPECT_TRUE(acknowledger.is_duplicate(3));
  EXPECT_FALSE(acknowledger.is_duplicate(2));
}

TEST(AcknowledgerTest, DoesNotAcknowledgeAcknowledgements) {
  Acknowledger acknowledger;
  wire::PacketHeader header;
  header.number = 1;
  acknowledger.on_received(header, 100, std::nullopt, 0, kStart);
  EXPECT_FALSE(acknowledger.is_pending());
}

}  // namespace
}  // namespace qnet::core
