// SPDX-License-Identifier: Apache-2.0
//
// golden_bytes_test.cpp: does every message still have the bytes that other versions expect?
//
// A failure here is a change of the wire format: it needs a new protocol version, not a new golden value.
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/wire/message_table.hpp"

namespace qnet::wire::test {
namespace {

TEST(GoldenBytesTest, EveryMessageEncodesToItsBytes) {
  for (const Row& row : message_table()) {
    EXPECT_EQ(to_hex(row.encoded), to_hex(from_hex(row.golden))) << row.name << " is now " << to_hex(row.encoded);
  }
}

TEST(GoldenBytesTest, EveryMessageDecodesFromItsBytesToTheSameValue) {
  for (const Row& row : message_table()) {
    const std::optional<Bytes> again = row.recode(from_hex(row.golden));
    ASSERT_TRUE(again.has_value()) << row.name << ": the decoder refuses " << row.golden;
    EXPECT_EQ(to_hex(*again), to_hex(from_hex(row.golden))) << row.name;
  }
}

TEST(GoldenBytesTest, EveryOperationHasBothRows) {
  std::set<std::string> names;
  for (const Row& row : message_table()) EXPECT_TRUE(names.insert(row.name).second) << row.name << " is there twice";
#define QNET_OPERATION(number, Name, where)                                               \
  EXPECT_TRUE(names.contains(#Name "Request")) << "no golden bytes for " #Name "Request"; \
  EXPECT_TRUE(names.contains(#Name "Reply")) << "no golden bytes for " #Name "Reply";
#include "transport/wire/operations.def"
#undef QNET_OPERATION
}

/// The table's row of that name really has the type that the operation uses.
template <class Message>
void expect_row_of_type(const std::string& name) {
  for (const Row& row : message_table()) {
    if (row.name != name) continue;
    EXPECT_TRUE(decode<Message>(row.encoded).has_value()) << name;
    EXPECT_EQ(row.has_tail, ends_with_tail<Message>()) << name;
  }
}

TEST(GoldenBytesTest, RowsHaveTheTypesOfTheOperations) {
#define QNET_OPERATION(number, Name, where)           \
  expect_row_of_type<Name##Request>(#Name "Request"); \
  expect_row_of_type<Name##Reply>(#Name "Reply");
#include "transport/wire/operations.def"
#undef QNET_OPERATION
}

TEST(GoldenBytesTest, HeadersHaveTheSizesTheyClaim) {
  EXPECT_EQ(encode_all(RequestHeader{})->size(), RequestHeader::kBytes);
  EXPECT_EQ(encode_all(ReplyHeader{})->size(), ReplyHeader::kBytes);
}

TEST(GoldenBytesTest, CallerIsIdentityAndGroups) {
  Caller caller{.user = 1000, .group = 1001, .process = 77, .group_count = 2};
  caller.groups[0] = 4;
  caller.groups[1] = 27;
  std::array<std::byte, 64> room{};
  Writer out(room);
  put_field(out, caller);
  ASSERT_FALSE(out.has_failed());
  EXPECT_EQ(to_hex(ByteView(room).first(out.written_bytes())),
            "e8030000"
            "e9030000"
            "4d000000"
            "02000000"
            "04000000"
            "1b000000");

  Reader in(ByteView(room).first(out.written_bytes()));
  Caller again;
  get_field(in, again);
  EXPECT_TRUE(in.ended_exactly());
  EXPECT_EQ(again, caller);
}

TEST(GoldenBytesTest, DirectoryEntriesStandOneBehindTheOther) {
  std::array<std::byte, 256> room{};
  Writer out(room);
  put_field(out, DirectoryEntry{.inode = 1, .next = 1, .type = 4, .name = "."});
  put_field(out, DirectoryEntry{.inode = 2, .next = 2, .type = 8, .name = "a"});

  Reader in(ByteView(room).first(out.written_bytes()));
  DirectoryEntry first, second;
  get_field(in, first);
  get_field(in, second);
  EXPECT_TRUE(in.ended_exactly());
  EXPECT_EQ(first.name, ".");
  EXPECT_EQ(second.name, "a");
  EXPECT_EQ(second.inode, 2u);
}

}  // namespace
}  // namespace qnet::wire::test
