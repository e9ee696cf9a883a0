// SPDX-License-Identifier: Apache-2.0
#include "agent/barriers.hpp"

#include <gtest/gtest.h>

namespace qnet::agent {
namespace {

constexpr NodeRef kNode{3};
constexpr std::uint32_t kUser = 1000;

TEST(BarriersTest, BlocksTheSameUserAndRootOnThatNodeOnly) {
  Barriers barriers;
  barriers.raise(kNode, kUser);
  EXPECT_TRUE(barriers.blocks(kNode, kUser, barriers.latest()));
  EXPECT_TRUE(barriers.blocks(kNode, 0, barriers.latest()));
  EXPECT_FALSE(barriers.blocks(kNode, kUser + 1, barriers.latest()));
  EXPECT_FALSE(barriers.blocks(NodeRef{4}, kUser, barriers.latest()));
}

TEST(BarriersTest, DoesNotWaitForBarriersThatCameLater) {
  Barriers barriers;
  const std::uint64_t first = barriers.raise(kNode, kUser);
  const std::uint64_t waits_up_to = barriers.latest();
  barriers.raise(kNode, kUser);
  EXPECT_TRUE(barriers.blocks(kNode, kUser, waits_up_to));
  barriers.lower(first);
  EXPECT_FALSE(barriers.blocks(kNode, kUser, waits_up_to));
  EXPECT_TRUE(barriers.blocks(kNode, kUser, barriers.latest()));
}

}  // namespace
}  // namespace qnet::agent
