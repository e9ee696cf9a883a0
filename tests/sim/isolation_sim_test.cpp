// SPDX-License-Identifier: Apache-2.0
//
// isolation_sim_test.cpp: what do connections of one peer cost each other, in virtual time? Who is more urgent goes
// first, nobody starves, and neither bulk nor a reader that stands still delays anybody by more than a queue.
#include "tests/sim/two_nodes_test.hpp"

namespace qnet::sim {
namespace {

constexpr double kMegabit = 1e6 / 8;
constexpr std::size_t kBulkBytes = 1 << 20;
/// A request of that size asks for kBulkBytes.
constexpr std::size_t kBulkAskedBytes = 77;

class IsolationSimTest : public TwoNodesTest {
 protected:
  void build_link(double megabits) {
    NetworkOptions options;
    options.faults = {.delay = 50us, .bytes_per_second = megabits * kMegabit, .queue_max = 50ms};
    build(options);
    network_->run_for(100ms);
  }
  ConnectionId new_connection() { return *network_->engine(kA).open_connection(to_b(), "", "", network_->now()); }
  std::size_t reply_bytes_to(std::size_t request_bytes) override {
    return request_bytes == kBulkAskedBytes ? kBulkBytes : 1;
  }

  /// Calls of 100 bytes, one after the other, while `also` is done now and then; how long each took, in order.
  template <class Also>
  std::vector<Duration> time_calls(std::size_t count, Priority priority, Also&& also) {
    const ConnectionId connection = new_connection();
    std::vector<Duration> took;
    for (std::size_t i = 0; i < count; ++i) {
      also();
      const std::size_t before = replies_on_[connection.value];
      const Instant since = network_->now();
      send_on(connection, 100, priority);
      EXPECT_TRUE(network_->run_until(
          [&] {
            also();
            return replies_on_[connection.value] > before;
          },
          10s));
      took.push_back(network_->now() - since);
      network_->run_until([&] { return also(), false; }, 1ms);
    }
    std::sort(took.begin(), took.end());
    return took;
  }
  static Duration median(const std::vector<Duration>& sorted) { return sorted[sorted.size() / 2]; }
  static Duration percentile_99(const std::vector<Duration>& sorted) { return sorted[sorted.size() * 99 / 100]; }

  /// Keeps one request of that size under way on each of the connections.
  void keep_asking(const std::vector<ConnectionId>& connections, std::size_t bytes, Priority priority) {
    for (const ConnectionId connection : connections) {
      std::size_t& asked = asked_[connection.value];
      if (asked > replies_on_[connection.value]) continue;
      ++asked;
      send_on(connection, bytes, priority);
    }
  }
  double sum_of(const std::vector<ConnectionId>& connections) {
    std::uint64_t bytes = 0;
    for (const ConnectionId connection : connections) bytes += bytes_on_[connection.value];
    return static_cast<double>(bytes);
  }
  std::vector<ConnectionId> new_connections(std::size_t count) {
    std::vector<ConnectionId> connections;
    for (std::size_t i = 0; i < count; ++i) connections.push_back(new_connection());
    return connections;
  }

  std::map<std::uint32_t, std::size_t> asked_;
};

TEST_F(IsolationSimTest, BulkInEitherDirectionDelaysSmallCallsByItsQueueOnly) {
  for (const std::size_t bulk_bytes : {kBulkAskedBytes, kBulkBytes}) {
    asked_.clear();
    replies_on_.clear();
    bytes_received_ = 0;
    build_link(1000);
    const Duration idle = percentile_99(time_calls(300, kPriorityNormal, [] {}));
    const std::vector<ConnectionId> bulk = new_connections(6);
    const Instant since = network_->now();
    const Duration busy =
        percentile_99(time_calls(300, kPriorityNormal, [&] { keep_asking(bulk, bulk_bytes, kPriorityNormal); }));
    EXPECT_LT(busy, idle + 2ms) << bulk_bytes;
    std::size_t carried = 0;
    for (const ConnectionId connection : bulk) carried += replies_on_[connection.value] * kBulkBytes;
    const double seconds = std::chrono::duration<double>(network_->now() - since).count();
    EXPECT_GT(static_cast<double>(carried) / seconds, 0.8 * 1000 * kMegabit) << "the link was full";
  }
}

TEST_F(IsolationSimTest, CallsThatStandStillDelayNobody) {
  build_link(1000);
  const Duration idle = percentile_99(time_calls(300, kPriorityNormal, [] {}));
  // What waits at the owner for a reader is not answered, whatever its size.
  answered_bytes_max_ = 1000;
  for (const ConnectionId connection : new_connections(200)) send_on(connection, 256 << 10);
  network_->run_for(1s);
  EXPECT_LT(percentile_99(time_calls(300, kPriorityNormal, [] {})), idle + 100us);
}

TEST_F(IsolationSimTest, TheMoreUrgentCallerWaitsLessOnAFullLink) {
  build_link(10);
  const std::vector<ConnectionId> crowd = new_connections(100);
  const auto shout = [&] { keep_asking(crowd, 1200, -19); };
  const Duration equal = median(time_calls(30, -19, shout));
  const Duration ordinary = median(time_calls(30, kPriorityNormal, shout));
  const Duration real_time = median(time_calls(30, kPriorityRealTime + 10, shout));
  EXPECT_GT(equal, 50ms) << "a hundred messages of a millisecond stand before it";
  EXPECT_LT(ordinary, equal / 4);
  EXPECT_LT(real_time, equal / 4);
}

TEST_F(IsolationSimTest, UrgentBulkGetsTheLargerPartAndTheOtherDoesNotStarve) {
  answered_bytes_max_ = kBulkBytes;
  for (const std::size_t message_bytes : {kBulkBytes, std::size_t{20 << 10}}) {
    asked_.clear();
    replies_on_.clear();
    bytes_on_.clear();
    build_link(100);
    const std::vector<ConnectionId> urgent = new_connections(8);
    const std::vector<ConnectionId> patient = new_connections(8);
    const auto carry = [&] {
      keep_asking(urgent, message_bytes, 10);
      keep_asking(patient, message_bytes, -10);
      return false;
    };
    network_->run_until(carry, 10s);
    const double urgent_bytes = sum_of(urgent);
    const double share = urgent_bytes / (urgent_bytes + sum_of(patient));
    EXPECT_GT(share, 0.75) << message_bytes;
    EXPECT_LT(share, 0.95) << message_bytes << ": every ninth turn is the other's";
  }
}

TEST_F(IsolationSimTest, PoliciesDoNotHideFromPriorities) {
  build_link(10);
  std::vector<ConnectionId> crowd;
  for (std::size_t i = 0; i < 100; ++i) {
    crowd.push_back(*network_->engine(kA).open_connection(to_b(), "exclusive", "en0", network_->now()));
  }
  const auto shout = [&] { keep_asking(crowd, 1200, -19); };
  const Duration urgent = median(time_calls(30, kPriorityNormal, shout));
  EXPECT_LT(urgent, 20ms);
  const std::vector<ConnectionId> flood = new_connections(100);
  replies_on_.clear();
  network_->run_until(
      [&] {
        shout();
        keep_asking(flood, 1200, kPriorityRealTime + 10);
        return false;
      },
      5s);
  const auto replies_of = [this](const std::vector<ConnectionId>& connections) {
    std::size_t replies = 0;
    for (const ConnectionId connection : connections) replies += replies_on_[connection.value];
    return static_cast<double>(replies);
  };
  const double share = replies_of(flood) / (replies_of(flood) + replies_of(crowd));
  EXPECT_GT(share, 0.8);
  EXPECT_GT(replies_of(crowd), 0) << "another lane gets its turns";
}

}  // namespace
}  // namespace qnet::sim
