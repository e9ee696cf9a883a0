// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/job_queue.hpp"

#include <gtest/gtest.h>

#include <string>

namespace qnet::exec {
namespace {

/// Jobs are told apart by their request's number.
class JobQueueTest : public ::testing::Test {
 protected:
  void push(std::uint64_t number, Priority priority, std::uint32_t user = 0) {
    Request request{.priority = priority};
    request.header.request = number;
    request.caller.user = user;
    queue_.push(std::make_shared<Job>(std::move(request), Executor::OnReply{}, nullptr, Need::kCaller));
  }
  std::uint64_t take(std::uint32_t user = 0) {
    const JobPointer job = queue_.take([user](const Job& wanted) { return wanted.request.caller.user == user; });
    return job ? job->request.header.request : 0;
  }

  JobQueue queue_;
};

TEST_F(JobQueueTest, TheMoreUrgentGoesFirstAndAmongEqualsTheFirst) {
  push(1, kPriorityNormal);
  push(2, -19);
  push(3, kPriorityRealTime + 50);
  push(4, kPriorityNormal);
  push(5, 10);
  for (const std::uint64_t number : {3u, 5u, 1u, 4u, 2u, 0u}) EXPECT_EQ(take(), number);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(JobQueueTest, TheLeastUrgentIsNotLeftForEver) {
  push(1, -19);
  for (std::uint64_t i = 0; i < JobQueue::kPassedOverMax; ++i) {
    push(100 + i, kPriorityHighest);
    EXPECT_EQ(take(), 100 + i);
  }
  push(200, kPriorityHighest);
  EXPECT_EQ(take(), 1u);
  EXPECT_EQ(take(), 200u);
}

TEST_F(JobQueueTest, AWorkerFindsAJobOfItsCallerAmongEquals) {
  push(1, kPriorityNormal, 1000);
  push(2, kPriorityNormal, 1001);
  push(3, 10, 1000);
  EXPECT_EQ(take(1001), 3u) << "priority goes before a change of identity";
  EXPECT_EQ(take(1001), 2u);
  for (std::uint64_t i = 1; i < JobQueue::kPassedOverMax; ++i) {
    push(100 + i, kPriorityNormal, 1001);
    EXPECT_EQ(take(1001), 100 + i);
  }
  push(200, kPriorityNormal, 1001);
  EXPECT_EQ(take(1001), 1u) << "passed over often enough";
}

TEST_F(JobQueueTest, WithdrawnJobsLeaveTheOthersInOrder) {
  push(1, kPriorityNormal);
  push(2, -19);
  push(3, kPriorityNormal);
  const auto withdrawn = queue_.withdraw([](const Job& job) { return job.request.header.request != 3; });
  EXPECT_EQ(withdrawn.size(), 2u);
  EXPECT_EQ(queue_.front()->request.header.request, 3u);
  queue_.pop_front();
  EXPECT_TRUE(queue_.empty());
}

}  // namespace
}  // namespace qnet::exec
