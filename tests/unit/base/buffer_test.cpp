// SPDX-License-Identifier: Apache-2.0
#include "transport/base/buffer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace qnet {
namespace {

std::string text_of(const Buffer& buffer) {
  return std::string(as_text(buffer.view()));
}

TEST(BufferTest, HoldsACopyOfItsContents) {
  std::string source = "hello";
  const Buffer buffer(as_bytes(source));
  source = "XXXXX";
  EXPECT_EQ(text_of(buffer), "hello");
}

TEST(BufferTest, AnEnvelopeIsExchangedWithoutMovingTheBody) {
  Buffer buffer(as_bytes("HEADbody"));
  const std::byte* body = buffer.data() + 4;
  buffer.drop_front(4);
  EXPECT_EQ(text_of(buffer), "body");
  const MutableBytes front = buffer.grow_front(8);
  std::memcpy(front.data(), "LONGHEAD", 8);
  EXPECT_EQ(text_of(buffer), "LONGHEADbody");
  EXPECT_EQ(buffer.data() + 8, body);
}

TEST(BufferTest, TheHeadroomHoldsAnyEnvelope) {
  Buffer buffer(as_bytes("x"));
  const MutableBytes front = buffer.grow_front(Buffer::kHeadroomBytes);
  std::memset(front.data(), 'h', front.size());
  EXPECT_EQ(buffer.size(), Buffer::kHeadroomBytes + 1);
  EXPECT_EQ(text_of(buffer).back(), 'x');
}

TEST(BufferTest, TruncateKeepsTheFront) {
  Buffer buffer(as_bytes("hello"));
  buffer.truncate(2);
  EXPECT_EQ(text_of(buffer), "he");
  buffer.truncate(0);
  EXPECT_TRUE(buffer.empty());
}

TEST(BufferTest, MovingTakesTheContentsAlong) {
  Buffer source(as_bytes("hello"));
  Buffer target(std::move(source));
  EXPECT_EQ(text_of(target), "hello");
  EXPECT_TRUE(source.empty());  // NOLINT(bugprone-use-after-move): the contract says so.

  Buffer other(as_bytes("old"));
  other = std::move(target);
  EXPECT_EQ(text_of(other), "hello");
  EXPECT_TRUE(target.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(BufferTest, EmptyOnesHaveRoomInFront) {
  Buffer buffer(std::size_t{0});
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.grow_front(16).size(), 16u);
}

TEST(BufferDeathTest, OurOwnMistakesEndTheProgram) {
  Buffer buffer(as_bytes("hello"));
  EXPECT_DEATH(buffer.drop_front(6), "impossible");
  EXPECT_DEATH(buffer.truncate(6), "impossible");
  EXPECT_DEATH(buffer.grow_front(Buffer::kHeadroomBytes + 1), "impossible");
  EXPECT_DEATH(Buffer().grow_front(1), "impossible");
}

}  // namespace
}  // namespace qnet
