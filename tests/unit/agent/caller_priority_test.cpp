// SPDX-License-Identifier: Apache-2.0
#include "agent/caller_priority.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace qnet::agent {
namespace {

/// Has a thread of its own tell its priority, after `change` has been done to it.
template <class Change>
Priority priority_after(Change&& change) {
  Priority priority{};
  std::thread([&] {
    change();
    priority = priority_of(static_cast<std::uint32_t>(gettid()));
  }).join();
  return priority;
}

TEST(CallerPriorityTest, IsTheNiceValueAndBeyondItTheRealTimePriority) {
  const int nice = getpriority(PRIO_PROCESS, 0);
  EXPECT_EQ(priority_of(static_cast<std::uint32_t>(getpid())), -nice);
  EXPECT_EQ(priority_after([] { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19); }), -19);
  EXPECT_EQ(priority_after([] {
              const sched_param none{};
              sched_setscheduler(0, SCHED_IDLE, &none);
            }),
            kPriorityIdle);
  const auto become_real_time = [] {
    const sched_param fifth{.sched_priority = 5};
    return sched_setscheduler(0, SCHED_FIFO, &fifth) == 0;
  };
  bool may_be_real_time = false;
  const Priority real_time = priority_after([&] { may_be_real_time = become_real_time(); });
  EXPECT_EQ(real_time, may_be_real_time ? kPriorityRealTime + 5 : -nice);
}

TEST(CallerPriorityTest, WhoCannotBeSeenIsOrdinary) {
  EXPECT_EQ(priority_of(0), kPriorityNormal);
  EXPECT_EQ(priority_of(0x7fffffff), kPriorityNormal);
}

TEST(CallerPriorityTest, AChangeIsNoticedSoonButNotAskedForEachTime) {
  using std::chrono::milliseconds;
  std::thread([] {
    const Instant start{std::chrono::seconds(1000)};
    const auto self = static_cast<std::uint32_t>(gettid());
    CallerPriority caller(self);
    const Priority before = caller.at(start);
    setpriority(PRIO_PROCESS, self, 19);
    EXPECT_EQ(caller.at(start + milliseconds(49)), before);
    EXPECT_EQ(caller.at(start + CallerPriority::kBelievedFor), -19);
  }).join();
}

}  // namespace
}  // namespace qnet::agent
