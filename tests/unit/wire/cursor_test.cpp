// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/cursor.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

namespace qnet::wire {
namespace {

template <class Integer>
void expect_round_trip(Integer value) {
  std::array<std::byte, 8> room{};
  Writer out(room);
  out.put(value);
  EXPECT_EQ(out.written_bytes(), sizeof(Integer));
  Reader in(ByteView(room).first(sizeof(Integer)));
  Integer again{};
  in.get(again);
  EXPECT_TRUE(in.ended_exactly());
  EXPECT_EQ(again, value);
}

template <class Integer>
void expect_extremes_round_trip() {
  expect_round_trip<Integer>(0);
  expect_round_trip<Integer>(1);
  expect_round_trip(std::numeric_limits<Integer>::min());
  expect_round_trip(std::numeric_limits<Integer>::max());
}

TEST(CursorTest, IntegersOfEverySizeRoundTrip) {
  expect_extremes_round_trip<std::uint8_t>();
  expect_extremes_round_trip<std::int8_t>();
  expect_extremes_round_trip<std::uint16_t>();
  expect_extremes_round_trip<std::int16_t>();
  expect_extremes_round_trip<std::uint32_t>();
  expect_extremes_round_trip<std::int32_t>();
  expect_extremes_round_trip<std::uint64_t>();
  expect_extremes_round_trip<std::int64_t>();
}

TEST(CursorTest, IntegersAreLittleEndian) {
  std::array<std::byte, 4> room{};
  Writer out(room);
  out.put(std::uint32_t{0x01020304});
  EXPECT_EQ(room[0], std::byte{4});
  EXPECT_EQ(room[3], std::byte{1});
}

TEST(CursorTest, AReaderThatFailedStaysFailedAndGivesZeros) {
  const std::array<std::byte, 3> input{std::byte{1}, std::byte{2}, std::byte{3}};
  Reader in(input);
  std::uint32_t four = 7;
  in.get(four);
  EXPECT_TRUE(in.has_failed());
  EXPECT_EQ(four, 0u);
  std::uint8_t one = 7;
  in.get(one);  // Would fit, but order is lost.
  EXPECT_EQ(one, 0);
  EXPECT_FALSE(in.ended_exactly());
}

TEST(CursorTest, AWriterThatFailedWritesNothingMore) {
  std::array<std::byte, 3> room{};
  Writer out(room);
  out.put(std::uint32_t{0xffffffff});
  out.put(std::uint8_t{0xff});
  EXPECT_TRUE(out.has_failed());
  EXPECT_EQ(out.written_bytes(), 0u);
  EXPECT_EQ(room[0], std::byte{0});
}

TEST(CursorTest, ATextClaimingMoreThanThereIsFails) {
  const std::array<std::byte, 4> input{std::byte{3}, std::byte{0}, std::byte{'a'}, std::byte{'b'}};
  Reader in(input);
  std::string_view text = "before";
  in.get(text);
  EXPECT_TRUE(in.has_failed());
  EXPECT_TRUE(text.empty());
}

TEST(CursorTest, TextsPointIntoTheInput) {
  const std::array<std::byte, 4> input{std::byte{2}, std::byte{0}, std::byte{'a'}, std::byte{'b'}};
  Reader in(input);
  std::string_view text;
  in.get(text);
  EXPECT_EQ(text, "ab");
  EXPECT_EQ(static_cast<const void*>(text.data()), static_cast<const void*>(input.data() + 2));
}

TEST(CursorTest, ALongestTextFitsAndOneByteMoreDoesNot) {
  std::array<std::byte, UINT16_MAX + 16> room{};
  const std::string longest(UINT16_MAX, 'x');
  Writer out(room);
  out.put(std::string_view(longest));
  EXPECT_FALSE(out.has_failed());
  Writer again(room);
  again.put(std::string_view(longest + "x"));
  EXPECT_TRUE(again.has_failed());
}

TEST(CursorTest, ATailTakesTheRest) {
  const std::array<std::byte, 3> input{std::byte{1}, std::byte{2}, std::byte{3}};
  Reader in(input);
  std::uint8_t first = 0;
  Tail tail;
  in.get(first);
  in.get(tail);
  EXPECT_EQ(tail.bytes.size(), 2u);
  EXPECT_TRUE(in.ended_exactly());
}

}  // namespace
}  // namespace qnet::wire
