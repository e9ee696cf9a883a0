// SPDX-License-Identifier: Apache-2.0
#include "agent/busy_wait.hpp"

#include <gtest/gtest.h>

namespace qnet::agent {
namespace {

using namespace std::chrono_literals;
constexpr Duration kLimit = 100us;

class BusyWaitTest : public ::testing::Test {
 protected:
  /// Time passes by `step_` whenever somebody asks for it.
  Instant clock() { return time_ += step_; }
  int wait() {
    looks_ = 0;
    return busy_wait_.look_for_a_while([this] { return ++looks_ == found_at_ ? 7 : 0; }, [this] { return clock(); });
  }
  void let_an_event_come_after(Duration gap) {
    wait();
    time_ += gap;
    busy_wait_.on_event(time_);
  }

  BusyWait busy_wait_{kLimit};
  Instant time_{1s};
  Duration step_ = 1us;
  int looks_ = 0, found_at_ = 0;
};

TEST_F(BusyWaitTest, SleepsAtOnceUntilEventsAreQuick) {
  EXPECT_EQ(wait(), 0);
  EXPECT_EQ(looks_, 0);
  let_an_event_come_after(1ms);
  wait();
  EXPECT_EQ(looks_, 0);
  let_an_event_come_after(kLimit);
  found_at_ = 5;
  EXPECT_EQ(wait(), 7);
  EXPECT_EQ(looks_, 5);
}

TEST_F(BusyWaitTest, LooksForTheLimitAndThenSleepsUntilEventsAreQuickAgain) {
  let_an_event_come_after(1us);
  EXPECT_EQ(wait(), 0);
  EXPECT_EQ(looks_, kLimit / step_);
  time_ += 10ms;
  busy_wait_.on_event(time_);
  wait();
  EXPECT_EQ(looks_, 0);
}

TEST_F(BusyWaitTest, SleepsForAWhileWhereSomebodyElseKeepsTheCpu) {
  let_an_event_come_after(1us);
  step_ = 1ms;
  EXPECT_EQ(wait(), 0);
  EXPECT_EQ(looks_, 1);
  step_ = 1us;
  let_an_event_come_after(1us);
  wait();
  EXPECT_EQ(looks_, 0) << "it has lost a millisecond";
  time_ += 50ms;
  let_an_event_come_after(1us);
  wait();
  EXPECT_GT(looks_, 0);
}

TEST_F(BusyWaitTest, ALimitOfZeroIsNever) {
  BusyWait never(Duration{});
  never.on_event(time_);
  EXPECT_EQ(never.look_for_a_while([] { return 1; }, [this] { return clock(); }), 0);
}

}  // namespace
}  // namespace qnet::agent
