// SPDX-License-Identifier: Apache-2.0
#include "agent/request_table.hpp"

#include <gtest/gtest.h>

#include <string>

namespace qnet::agent {
namespace {

TEST(RequestTableTest, AnOldNumberNeverFindsANewRecord) {
  RequestTable<std::string> table;
  const std::uint64_t first = table.insert("first");
  EXPECT_EQ(table.take(first), "first");
  const std::uint64_t second = table.insert("second");
  EXPECT_NE(first, second);
  EXPECT_EQ(table.find(first), nullptr);
  EXPECT_FALSE(table.take(first).has_value());
  ASSERT_NE(table.find(second), nullptr);
  EXPECT_EQ(*table.find(second), "second");
  EXPECT_EQ(table.size(), 1u);
}

TEST(RequestTableTest, RefusesWhatIsNoNumberOfIts) {
  RequestTable<int> table;
  const std::uint64_t number = table.insert(1);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(UINT64_MAX), nullptr);
  EXPECT_EQ(table.find(number + RequestTable<int>::kSlotsMax), nullptr);
  EXPECT_LT(number, RequestTable<int>::kNumberEnd);
}

TEST(RequestTableTest, IsBounded) {
  RequestTable<char> table;
  for (std::uint64_t i = 0; i < RequestTable<char>::kSlotsMax; ++i) ASSERT_NE(table.insert('x'), 0u);
  EXPECT_EQ(table.insert('x'), 0u);
  EXPECT_EQ(table.numbers_if([](char) { return true; }).size(), RequestTable<char>::kSlotsMax);
}

}  // namespace
}  // namespace qnet::agent
