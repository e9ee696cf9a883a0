// SPDX-License-Identifier: Apache-2.0
#include "agent/caller_limits.hpp"

#include <gtest/gtest.h>

namespace qnet::agent {
namespace {

constexpr std::uint32_t kRoot = 0, kFirst = 1000, kSecond = 1001;

TEST(CallerLimitsTest, OneUserAtTheLimitOfRequestsDoesNotDisturbTheOthers) {
  CallerLimits limits({.caller_requests_max = 2});
  ASSERT_TRUE(limits.begin(kFirst, wire::Opcode::kWrite, 10).has_value());
  ASSERT_TRUE(limits.begin(kFirst, wire::Opcode::kWrite, 10).has_value());
  EXPECT_EQ(limits.begin(kFirst, wire::Opcode::kWrite, 10).error().code, EAGAIN);
  EXPECT_TRUE(limits.begin(kSecond, wire::Opcode::kWrite, 10).has_value());
  limits.end(kFirst, 10);
  EXPECT_TRUE(limits.begin(kFirst, wire::Opcode::kWrite, 10).has_value());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limits.begin(kRoot, wire::Opcode::kWrite, 10).has_value());
  EXPECT_EQ(limits.statistics().requests_refused, 1u);
}

TEST(CallerLimitsTest, MemoryIsBoundedPerUserAndForRootInAll) {
  CallerLimits limits({.caller_bytes_max = 100, .bytes_max = 250});
  ASSERT_TRUE(limits.begin(kFirst, wire::Opcode::kWrite, 60).has_value());
  EXPECT_EQ(limits.add(kFirst, 41).error().code, EAGAIN);
  EXPECT_TRUE(limits.add(kFirst, 40).has_value());
  EXPECT_EQ(limits.begin(kFirst, wire::Opcode::kWrite, 1).error().code, EAGAIN);
  EXPECT_TRUE(limits.begin(kRoot, wire::Opcode::kWrite, 150).has_value()) << "more than a user may";
  EXPECT_EQ(limits.begin(kRoot, wire::Opcode::kWrite, 1).error().code, EAGAIN) << "the total is for everybody";
  EXPECT_EQ(limits.begin(kSecond, wire::Opcode::kWrite, 1).error().code, EAGAIN);
  EXPECT_TRUE(limits.begin(kSecond, wire::Opcode::kClose, 1).has_value())
      << "what gives something back is never refused";
  EXPECT_EQ(limits.bytes_held(), 251u);
  limits.end(kSecond, 1);
  limits.end(kRoot, 150);
  limits.end(kFirst, 100);
  EXPECT_EQ(limits.bytes_held(), 0u);
  EXPECT_TRUE(limits.begin(kFirst, wire::Opcode::kWrite, 100).has_value());
}

}  // namespace
}  // namespace qnet::agent
