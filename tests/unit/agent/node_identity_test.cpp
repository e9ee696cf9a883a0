// SPDX-License-Identifier: Apache-2.0
#include "agent/node_identity.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/agent/temporary_directory.hpp"

namespace qnet::agent {
namespace {

TEST(NodeIdentityTest, KeepsTheIdAndRaisesTheIncarnation) {
  const test::TemporaryDirectory directory;
  const std::string state = directory / "a/b";
  Result<NodeIdentity> first = begin_life(state);
  ASSERT_TRUE(first.has_value()) << first.error().where;
  first->lock.reset();
  const Result<NodeIdentity> second = begin_life(state);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(first->id, second->id);
  EXPECT_GT(second->incarnation, first->incarnation);
  EXPECT_NE(first->id, NodeId());
}

TEST(NodeIdentityTest, RaisesTheIncarnationAlsoWhenTheClockWentBack) {
  const test::TemporaryDirectory directory;
  const std::uint64_t far = std::uint64_t{1} << 62;
  std::ofstream(directory / "node") << "id=" << std::string(32, 'a') << "\nincarnation=" << far << "\n";
  const Result<NodeIdentity> life = begin_life(directory.path());
  ASSERT_TRUE(life.has_value());
  EXPECT_EQ(life->incarnation.value, far + 1);
  EXPECT_EQ(text_of(life->id), std::string(32, 'a'));
}

TEST(NodeIdentityTest, TwoAgentsCannotShareIt) {
  const test::TemporaryDirectory directory;
  const Result<NodeIdentity> first = begin_life(directory.path());
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(begin_life(directory.path()).error().code, EBUSY);
}

TEST(NodeIdentityTest, LeavesAForeignFileAlone) {
  const test::TemporaryDirectory directory;
  for (const char* content : {"", "id=", "hello", "id=zz\nincarnation=1\n", "incarnation=1\n"}) {
    std::ofstream(directory / "node") << content;
    EXPECT_EQ(begin_life(directory.path()).error().code, EBADMSG) << content;
  }
}

}  // namespace
}  // namespace qnet::agent
