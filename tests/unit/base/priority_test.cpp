// SPDX-License-Identifier: Apache-2.0
#include "transport/base/priority.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace qnet {
namespace {

TEST(PriorityTest, EveryNumberHasALevelAndMoreUrgentOnesAreNotLower) {
  for (int priority = -128; priority < 127; ++priority) {
    EXPECT_LE(level_of(static_cast<Priority>(priority)), level_of(static_cast<Priority>(priority + 1))) << priority;
  }
  EXPECT_EQ(level_of(127), kPriorityLevels - 1);
  const std::vector<Priority> apart = {kPriorityLingering, kPriorityIdle, -19, -10, kPriorityNormal, 2, 10, 20, 21, 31,
                                       kPriorityHighest};
  for (std::size_t i = 1; i < apart.size(); ++i) {
    EXPECT_LT(level_of(apart[i - 1]), level_of(apart[i])) << i;
  }
}

/// Who is served in that many turns, while all of these wait.
std::vector<unsigned> served(PriorityTurns& turns, std::size_t count) {
  std::vector<unsigned> levels;
  for (std::size_t i = 0; i < count; ++i) {
    levels.push_back(turns.next());
    turns.on_served(levels.back());
  }
  return levels;
}

TEST(PriorityTurnsTest, TheHighestIsServedAndEveryNinthTurnIsTheLowerOnesInTheirTurn) {
  PriorityTurns turns;
  EXPECT_TRUE(turns.empty());
  for (const unsigned level : {0u, 7u, 11u, 31u}) turns.set_waiting(level, true);
  EXPECT_EQ(turns.highest(), 31u);
  std::map<unsigned, int> counts;
  std::vector<unsigned> lower;
  for (const unsigned level : served(turns, 9 * 6)) {
    ++counts[level];
    if (level != 31) lower.push_back(level);
  }
  EXPECT_EQ(counts[31], 8 * 6);
  EXPECT_EQ(lower, (std::vector<unsigned>{11, 7, 0, 11, 7, 0}));
}

TEST(PriorityTurnsTest, WhoIsAloneOwesNobodyATurn) {
  PriorityTurns turns;
  turns.set_waiting(20, true);
  EXPECT_EQ(served(turns, 100), std::vector<unsigned>(100, 20));
  turns.set_waiting(5, true);
  EXPECT_EQ(served(turns, 9), (std::vector<unsigned>{20, 20, 20, 20, 20, 20, 20, 20, 5}));
  turns.set_waiting(20, false);
  EXPECT_EQ(turns.next(), 5u);
  turns.set_waiting(31, true);
  EXPECT_EQ(turns.next(), 31u) << "a higher one that comes goes first";
}

}  // namespace
}  // namespace qnet
