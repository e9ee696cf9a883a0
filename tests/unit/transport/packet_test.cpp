// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/packet.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "transport/wire/control.hpp"
#include "transport/wire/message.hpp"

namespace qnet::wire {
namespace {

std::string hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

template <class Frame>
std::vector<std::byte> bytes_of(const Frame& frame) {
  std::vector<std::byte> room(4096);
  room.resize(put_frame(frame, room));
  return room;
}

AckFrame sample_ack() {
  AckFrame ack;
  ack.largest = 100;
  ack.echo_us = 0x01020304;
  ack.delay_us = 7;
  ack.path = 1;
  ack.range_count = 2;
  ack.ranges[0] = {0, 10};
  ack.ranges[1] = {3, 5};
  return ack;
}

TEST(PacketTest, GoldenHeader) {
  PacketHeader header;
  header.flags = packet_flags::kAckNow | packet_flags::kProbe;
  header.session = 0xa1b2c3d4;
  header.number = 0x1122334455667788;
  header.path = 3;
  header.payload_bytes = 2;
  header.timestamp_us = 0xcafe;
  std::vector<std::byte> packet(PacketHeader::kBytes + 2);
  encode_header(header, packet);
  EXPECT_EQ(hex(packet),
            "1e013000d4c3b2a18877665544332211"
            "03000200feca0000"
            "0000");
  const Result<PacketHeader> decoded = decode_header(packet);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, header);
}

TEST(PacketTest, GoldenCrc) {
  PacketHeader header;
  header.flags = packet_flags::kCrc;
  header.number = 1;
  header.payload_bytes = 4;
  constexpr std::size_t kPacketBytes = PacketHeader::kBytes + PingFrame::kFrameBytes;
  std::vector<std::byte> packet(kPacketBytes + kCrcBytes + 3, std::byte{0});  // with something behind
  encode_header(header, packet);
  put_frame(PingFrame{}, MutableBytes(packet).subspan(PacketHeader::kBytes));
  put_crc(packet, kPacketBytes);
  EXPECT_EQ(hex(ByteView(packet).subspan(kPacketBytes)), "a3744bf3000000");
  const Result<PacketHeader> decoded = decode_header(packet);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, header);
  EXPECT_TRUE(is_crc_right(*decoded, packet));
  EXPECT_FALSE(decode_header(ByteView(packet).first(kPacketBytes + kCrcBytes - 1)).has_value()) << "cut short";
  for (std::size_t i = 0; i < kPacketBytes + kCrcBytes; ++i) {
    packet[i] ^= std::byte{0x10};
    const Result<PacketHeader> damaged = decode_header(packet);
    const bool has_crc = damaged && (damaged->flags & packet_flags::kCrc) != 0;
    EXPECT_FALSE(has_crc && is_crc_right(*damaged, packet)) << i;
    packet[i] ^= std::byte{0x10};
  }
}

TEST(PacketTest, GoldenFrames) {
  DataFrame data;
  data.connection = 5;
  data.message = 6;
  data.offset = 2;
  data.total = 9;
  data.direction = Direction::kReply;
  data.priority = 10;
  data.piece = as_bytes("abc");
  EXPECT_EQ(hex(bytes_of(data)),
            "01001700"
            "05000000"
            "06000000"
            "02000000"
            "09000000"
            "020a0000"
            "61626300");
  data.direction = Direction::kRequest;
  data.policy = PolicyKind::kExclusive;
  data.policy_path = 3;
  EXPECT_EQ(hex(bytes_of(data)).substr(40, 8), "010a0203");
  EXPECT_EQ(hex(bytes_of(sample_ack())),
            "02001800"
            "6400000000000000"
            "04030201"
            "0700"
            "01"
            "02"
            "00000a00"
            "03000500");
  EXPECT_EQ(hex(bytes_of(CreditFrame{5, Direction::kRequest, 0x10000})),
            "03001000"
            "05000000"
            "01000000"
            "0000010000000000");
  EXPECT_EQ(hex(bytes_of(CloseFrame{5, Direction::kReply, 3})),
            "04000c00"
            "05000000"
            "02000000"
            "03000000");
  EXPECT_EQ(hex(bytes_of(CloseFrame{5, Direction::kRequest, 3, PolicyKind::kExclusive, 1})),
            "04000c00"
            "05000000"
            "01020100"
            "03000000");
  EXPECT_EQ(hex(bytes_of(PingFrame{})), "05000000");
  EXPECT_EQ(hex(bytes_of(GoodbyeFrame{})), "0600040000000000");
}

TEST(PacketTest, FramesSurviveTheRoundTrip) {
  const std::vector<std::byte> bytes = bytes_of(sample_ack());
  const Result<AckFrame> ack = decode_ack(ByteView(bytes).subspan(kFrameHeadBytes));
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->largest, 100u);
  EXPECT_EQ(ack->ranges[1], (AckRange{3, 5}));
}

TEST(PacketTest, EveryTruncationIsRefused) {
  DataFrame data;
  data.connection = 1;
  data.total = 4;
  data.piece = as_bytes("abcd");
  std::vector<std::byte> payload;
  for (const auto& frame : {bytes_of(sample_ack()), bytes_of(CreditFrame{1, Direction::kReply, 1}), bytes_of(data)}) {
    payload.insert(payload.end(), frame.begin(), frame.end());
  }
  ASSERT_TRUE(are_frames_valid(payload));
  const std::size_t ends[] = {28, 48, payload.size()};
  for (std::size_t length = 1; length < payload.size(); ++length) {
    const bool is_whole = std::find(std::begin(ends), std::end(ends), length) != std::end(ends);
    EXPECT_EQ(are_frames_valid(ByteView(payload).first(length)), is_whole) << length;
  }
  std::vector<std::byte> packet(PacketHeader::kBytes + 4);
  PacketHeader header;
  header.payload_bytes = 4;
  encode_header(header, packet);
  for (std::size_t length = 0; length < packet.size(); ++length) {
    EXPECT_FALSE(decode_header(ByteView(packet).first(length)).has_value()) << length;
  }
}

TEST(PacketTest, RefusesWhatCannotBe) {
  const auto is_valid = [](auto frame) { return are_frames_valid(bytes_of(frame)); };
  DataFrame data;
  data.connection = 1;
  data.total = 3;
  data.piece = as_bytes("abcd");
  EXPECT_FALSE(is_valid(data)) << "piece longer than its message";
  data.total = kMessageBytesMax + 1;
  EXPECT_FALSE(is_valid(data)) << "message too long";
  data.total = 4;
  data.connection = 0;
  EXPECT_FALSE(is_valid(data)) << "no connection";
  data = DataFrame{.connection = 1, .offset = 0xffffffff, .total = 4, .piece = as_bytes("abcd")};
  EXPECT_FALSE(is_valid(data)) << "offset beyond the end";
  AckFrame ack = sample_ack();
  ack.largest = 17;
  EXPECT_FALSE(is_valid(ack)) << "acknowledges numbers below 1";
  ack = sample_ack();
  ack.ranges[1].gap = 0;
  EXPECT_FALSE(is_valid(ack)) << "ranges that touch";
  ack = sample_ack();
  ack.range_count = 0;
  EXPECT_FALSE(is_valid(ack)) << "no range";
}

TEST(PacketTest, UnknownFramesAreSkippedOnlyWithTheFlag) {
  std::vector<std::byte> payload = {
      std::byte{99}, std::byte{kFrameSkippable}, std::byte{1}, std::byte{0}, std::byte{7}, std::byte{0}, std::byte{0},
      std::byte{0}};
  EXPECT_TRUE(are_frames_valid(payload));
  payload[1] = std::byte{0};
  EXPECT_FALSE(are_frames_valid(payload));
}

TEST(PacketTest, NoiseNeverReadsBeyondItsEnd) {  // For the sanitizers; libFuzzer goes further.
  std::mt19937_64 random(3);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> noise(random() % 96);
    for (std::byte& b : noise) b = static_cast<std::byte>(random() % 8 == 0 ? random() : random() % 8);
    static_cast<void>(are_frames_valid(noise));
    static_cast<void>(decode_header(noise));
    static_cast<void>(decode<Hello>(noise));
    static_cast<void>(decode<Reset>(noise));
  }
}

TEST(ControlTest, GoldenHello) {
  Hello hello;
  hello.version_lowest = 1;
  hello.version_highest = 2;
  hello.path = 3;
  hello.features = 4;
  hello.cluster = 5;
  for (std::size_t i = 0; i < hello.node.bytes.size(); ++i) hello.node.bytes[i] = static_cast<std::byte>(0xa0 + i);
  hello.own = {6, 7};
  hello.target = {8, 9};
  hello.session = 10;
  hello.nonce = 11;
  hello.echo_us = 12;
  hello.datagram_bytes = 13;
  hello.connection_credit_bytes = 14;
  hello.session_credit_bytes = 15;
  hello.name = "b";
  std::vector<std::byte> room(256);
  const Result<ByteView> bytes = encode(hello, room);
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(hex(*bytes),
            "01020300"
            "0400000000000000"
            "0500000000000000"
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
            "0600000000000000"
            "07000000"
            "0800000000000000"
            "09000000"
            "0a000000"
            "0b00000000000000"
            "0c000000"
            "0d000000"
            "0e00000000000000"
            "0f00000000000000"
            "010062");
  const Result<Hello> decoded = decode<Hello>(*bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->own, hello.own);
  EXPECT_EQ(decoded->node, hello.node);
  EXPECT_EQ(decoded->name, "b");
  for (std::size_t length = 0; length < bytes->size(); ++length) {
    EXPECT_FALSE(decode<Hello>(bytes->first(length)).has_value()) << length;
  }
}

TEST(ControlTest, AHelloOfANewerVersionMayBeLonger) {
  Hello hello{.version_lowest = 1, .version_highest = 3, .own = {1, 1}, .name = "b"};
  hello.extensions.bytes = as_bytes("something that we do not know");
  std::vector<std::byte> room(256);
  EXPECT_TRUE(decode<Hello>(*encode(hello, room)).has_value());
}

TEST(ControlTest, TheLongestHelloFits) {
  const std::string name(kNodeNameBytesMax, 'x');
  Hello hello{.version_lowest = 1, .version_highest = 1, .own = {1, 1}, .name = name};
  std::vector<std::byte> room(kHelloBytesMax - PacketHeader::kBytes);
  EXPECT_TRUE(encode(hello, room).has_value());
}

}  // namespace
}  // namespace qnet::wire
