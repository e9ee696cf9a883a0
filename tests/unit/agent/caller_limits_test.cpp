// SPDX-License-Identifier: Apache-2.0
#include "agent/caller_limits.hpp"

#include <gtest/gtest.h>

#include <array>

#include "transport/wire/codec.hpp"
#include "transport/wire/dir_ops.hpp"

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

template <class Request>
std::size_t charge_of(wire::Opcode opcode, const Request& request) {
  std::array<std::byte, 256> room{};
  return reply_bytes_of(opcode, wire::encode(request, room).value());
}

TEST(CallerLimitsTest, ARequestIsChargedForWhatItsReplyMayBring) {
  EXPECT_EQ(charge_of(wire::Opcode::kRead, wire::ReadRequest{.length_bytes = 5000}), 5000u);
  EXPECT_EQ(charge_of(wire::Opcode::kReadDirectory, wire::ReadDirectoryRequest{.length_bytes = 600}), 600u);
  EXPECT_EQ(charge_of(wire::Opcode::kOpen, wire::OpenRequest{.contents_bytes_max = 4096, .path = "f"}), 4096u);
  EXPECT_EQ(charge_of(wire::Opcode::kOpen, wire::OpenRequest{.path = "f"}), 0u);
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
