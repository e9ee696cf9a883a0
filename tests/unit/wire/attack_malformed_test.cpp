// SPDX-License-Identifier: Apache-2.0
//
// attack_malformed_test.cpp: can bytes from outside get past the decoder?
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/wire/message_table.hpp"

namespace qnet::wire::test {
namespace {

TEST(MalformedMessageTest, EveryTruncationIsRefused) {
  for (const Row& row : message_table()) {
    for (std::size_t length = 0; length < row.fixed_bytes; ++length) {
      EXPECT_FALSE(row.recode(ByteView(row.encoded).first(length)).has_value())
          << row.name << " cut to " << length << " of " << row.fixed_bytes << " bytes: " << to_hex(row.encoded);
    }
  }
}

TEST(MalformedMessageTest, EverySurplusByteIsRefusedUnlessItIsData) {
  for (const Row& row : message_table()) {
    for (const std::size_t surplus : {1u, 2u, 8u, 1000u}) {
      Bytes longer = row.encoded;
      longer.resize(longer.size() + surplus);
      EXPECT_EQ(row.recode(longer).has_value(), row.has_tail) << row.name << " with " << surplus << " bytes more";
    }
  }
}

TEST(MalformedMessageTest, ATailMayBeEmpty) {
  for (const Row& row : message_table()) {
    if (!row.has_tail) continue;
    EXPECT_TRUE(row.recode(ByteView(row.encoded).first(row.fixed_bytes)).has_value()) << row.name;
  }
}

/// What the decoder takes it understood completely: it encodes to the same bytes.
void expect_refused_or_canonical(const Row& row, const Bytes& input) {
  const std::optional<Bytes> again = row.recode(input);
  if (again) {
    EXPECT_EQ(to_hex(*again), to_hex(input)) << row.name;
  }
}

TEST(MalformedMessageTest, RandomBytesAreRefusedOrCanonical) {
  std::mt19937_64 random(20251121);  // A fixed seed: a failure is reproducible.
  for (const Row& row : message_table()) {
    for (int round = 0; round < 2000; ++round) {
      Bytes input(random() % (2 * row.encoded.size() + 16));
      for (std::byte& b : input) b = static_cast<std::byte>(random());
      expect_refused_or_canonical(row, input);
    }
  }
}

TEST(MalformedMessageTest, ChangedMessagesAreRefusedOrCanonical) {
  for (const Row& row : message_table()) {
    for (std::size_t at = 0; at < row.encoded.size(); ++at) {
      for (const unsigned value : {0x00u, 0x01u, 0x7fu, 0x80u, 0xffu}) {
        Bytes input = row.encoded;
        input[at] = static_cast<std::byte>(value);
        expect_refused_or_canonical(row, input);
      }
    }
  }
}

/// Each limit: the largest value that is allowed and the first that is not.
template <class Message>
void expect_limit(const Message& allowed, const Message& refused) {
  const Bytes good = encode_all(allowed).value();
  const Bytes bad = encode_all(refused).value();
  EXPECT_TRUE(decode<Message>(good).has_value());
  const Result<Message> result = decode<Message>(bad);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, EBADMSG);
}

TEST(MalformedMessageTest, PathsAreAsLongAsPathMax) {
  const std::string longest(kPathBytesMax, 'x');
  const std::string too_long(kPathBytesMax + 1, 'x');
  expect_limit(OpenRequest{.path = longest}, OpenRequest{.path = too_long});
  expect_limit(GetAttributesRequest{.path = longest}, GetAttributesRequest{.path = too_long});
  expect_limit(CheckAccessRequest{.path = longest}, CheckAccessRequest{.path = too_long});
  expect_limit(ReadLinkRequest{.path = longest}, ReadLinkRequest{.path = too_long});
  expect_limit(ResolvePathRequest{.path = longest}, ResolvePathRequest{.path = too_long});
  expect_limit(MakeDirectoryRequest{.path = longest}, MakeDirectoryRequest{.path = too_long});
  expect_limit(MakeNodeRequest{.path = longest}, MakeNodeRequest{.path = too_long});
  expect_limit(MakeSymlinkRequest{.content = longest, .path = "p"},
               MakeSymlinkRequest{.content = too_long, .path = "p"});
  expect_limit(MakeSymlinkRequest{.content = "c", .path = longest},
               MakeSymlinkRequest{.content = "c", .path = too_long});
  expect_limit(LinkRequest{.source = longest, .target = "t"}, LinkRequest{.source = too_long, .target = "t"});
  expect_limit(LinkRequest{.source = "s", .target = longest}, LinkRequest{.source = "s", .target = too_long});
  expect_limit(UnlinkRequest{.path = longest}, UnlinkRequest{.path = too_long});
  expect_limit(RenameRequest{.source = longest, .target = "t"}, RenameRequest{.source = too_long, .target = "t"});
  expect_limit(RenameRequest{.source = "s", .target = longest}, RenameRequest{.source = "s", .target = too_long});
  expect_limit(ChangeModeRequest{.path = longest}, ChangeModeRequest{.path = too_long});
  expect_limit(ChangeOwnerRequest{.path = longest}, ChangeOwnerRequest{.path = too_long});
  expect_limit(ChangeTimesRequest{.path = longest}, ChangeTimesRequest{.path = too_long});
  expect_limit(TruncateRequest{.path = longest}, TruncateRequest{.path = too_long});
  expect_limit(GetFileSystemRequest{.path = longest}, GetFileSystemRequest{.path = too_long});
  expect_limit(GetPathLimitRequest{.path = longest}, GetPathLimitRequest{.path = too_long});
}

TEST(MalformedMessageTest, ExtendedAttributesAreAsLongAsTheKernelsLimits) {
  const std::string longest(kPathBytesMax, 'x');
  const std::string too_long(kPathBytesMax + 1, 'x');
  expect_limit(GetXattrRequest{.path = longest, .name = {}}, GetXattrRequest{.path = too_long, .name = {}});
  expect_limit(ListXattrRequest{.path = longest}, ListXattrRequest{.path = too_long});
  expect_limit(SetXattrRequest{.path = longest, .name = {}}, SetXattrRequest{.path = too_long, .name = {}});
  expect_limit(RemoveXattrRequest{.path = longest, .name = {}}, RemoveXattrRequest{.path = too_long, .name = {}});

  const std::string name(kXattrNameBytesMax, 'n');
  const std::string long_name(kXattrNameBytesMax + 1, 'n');
  expect_limit(GetXattrRequest{.path = {}, .name = name}, GetXattrRequest{.path = {}, .name = long_name});
  expect_limit(SetXattrRequest{.path = {}, .name = name}, SetXattrRequest{.path = {}, .name = long_name});
  expect_limit(RemoveXattrRequest{.path = {}, .name = name}, RemoveXattrRequest{.path = {}, .name = long_name});

  const Bytes value(kXattrValueBytesMax + 1);
  const ByteView whole(value);
  expect_limit(SetXattrRequest{.path = {}, .name = {}, .value = {whole.first(kXattrValueBytesMax)}},
               SetXattrRequest{.path = {}, .name = {}, .value = {whole}});
  expect_limit(GetXattrRequest{.room_bytes = kXattrValueBytesMax},
               GetXattrRequest{.room_bytes = kXattrValueBytesMax + 1});
  expect_limit(ListXattrRequest{.room_bytes = kXattrValueBytesMax},
               ListXattrRequest{.room_bytes = kXattrValueBytesMax + 1});
}

TEST(MalformedMessageTest, DataHasALimit) {
  expect_limit(ReadRequest{.length_bytes = kDataBytesMax}, ReadRequest{.length_bytes = kDataBytesMax + 1});
  expect_limit(ReadRequest{.offset_bytes = -1}, ReadRequest{.offset_bytes = -2});
  expect_limit(WriteRequest{.offset_bytes = -1}, WriteRequest{.offset_bytes = -2});
  expect_limit(ReadDirectoryRequest{.length_bytes = 512}, ReadDirectoryRequest{.length_bytes = 511});
  expect_limit(ReadDirectoryRequest{.length_bytes = 2048, .with_attributes = 1},
               ReadDirectoryRequest{.length_bytes = 2047, .with_attributes = 1});
  expect_limit(ReadDirectoryRequest{.length_bytes = kDataBytesMax},
               ReadDirectoryRequest{.length_bytes = kDataBytesMax + 1});

  const Bytes data(kDataBytesMax + 1);
  expect_limit(WriteRequest{.data = Tail{ByteView(data).first(kDataBytesMax)}}, WriteRequest{.data = Tail{data}});
}

TEST(MalformedMessageTest, KindsAreKnownOnes) {
  expect_limit(SyncRequest{.kind = 3}, SyncRequest{.kind = 4});
  expect_limit(LockRangeRequest{.command = 2}, LockRangeRequest{.command = 3});
  expect_limit(LockRangeRequest{.is_ofd = 1}, LockRangeRequest{.is_ofd = 2});
  expect_limit(RedirectReply{.which = 1, .path = "/"}, RedirectReply{.which = 2, .path = "/"});
  expect_limit(RedirectReply{.is_local = 1, .path = "/"}, RedirectReply{.is_local = 2, .path = "/"});
  expect_limit(RedirectReply{.path = "/"}, RedirectReply{.path = "x"});
  expect_limit(RedirectReply{.path = "/"}, RedirectReply{.path = ""});
  expect_limit(EnterDirectoryRequest{.path = "/net/b"}, EnterDirectoryRequest{.path = "net/b"});
}

TEST(MalformedMessageTest, ATextWithANulIsRefused) {
  using namespace std::string_view_literals;
  expect_limit(OpenRequest{.path = "/etc/passwd"}, OpenRequest{.path = "/etc/passwd\0.png"sv});
  expect_limit(RenameRequest{.source = "a", .target = "b"}, RenameRequest{.source = "a", .target = "\0"sv});
}

TEST(MalformedMessageTest, ACallerHasNoMoreGroupsThanFit) {
  Bytes bytes = from_hex("00000000 00000000 01000000 41000000");  // 65 groups
  bytes.resize(bytes.size() + 65 * 4);
  Reader in(bytes);
  Caller caller;
  get_field(in, caller);
  EXPECT_TRUE(in.has_failed());
  EXPECT_EQ(caller.group_count, 0u);

  bytes = from_hex("00000000 00000000 01000000 40000000");
  bytes.resize(bytes.size() + 64 * 4);
  Reader again(bytes);
  get_field(again, caller);
  EXPECT_TRUE(again.ended_exactly());
  EXPECT_EQ(caller.group_count, 64u);
}

TEST(MalformedMessageTest, ACallerIsRefusedAtEveryTruncation) {
  Bytes bytes = from_hex("e8030000 e8030000 01000000 02000000 04000000 1b000000");
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    Reader in(ByteView(bytes).first(length));
    Caller caller;
    get_field(in, caller);
    EXPECT_TRUE(in.has_failed()) << length;
  }
}

TEST(MalformedMessageTest, EncodingRefusesWhatDoesNotFit) {
  std::array<std::byte, 15> room{};  // One less than the message needs.
  const Result<ByteView> encoded = encode(OpenRequest{.flags = 1, .mode = 2, .path = "/tmp/f"}, room);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_EQ(encoded.error().code, EMSGSIZE);

  const std::string huge(UINT16_MAX + 1, 'x');
  EXPECT_FALSE(encode_all(ReadLinkReply{.content = huge}).has_value());
}

}  // namespace
}  // namespace qnet::wire::test
