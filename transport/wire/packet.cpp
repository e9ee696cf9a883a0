// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/packet.hpp"

#include <bit>
#include <cstring>

#include "transport/wire/crc32c.hpp"
#include "transport/wire/message.hpp"

namespace qnet::wire {
namespace {

template <class Integer>
Integer load(ByteView from, std::size_t offset) {
  Integer value;
  std::memcpy(&value, from.data() + offset, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}

template <class Integer>
void store(MutableBytes to, std::size_t offset, Integer value) {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  std::memcpy(to.data() + offset, &value, sizeof value);
}

void put_head(MutableBytes output, FrameType type, std::size_t body_bytes) {
  store(output, 0, static_cast<std::uint8_t>(type));
  store(output, 1, std::uint8_t{0});
  store(output, 2, static_cast<std::uint16_t>(body_bytes));
}

bool is_direction(std::uint8_t value) {
  return value == 1 || value == 2;
}

bool is_known(std::uint8_t type) {
  return type >= static_cast<std::uint8_t>(FrameType::kData) && type <= static_cast<std::uint8_t>(FrameType::kGoodbye);
}

bool is_policy(std::uint8_t kind, std::uint8_t path) {
  return kind <= static_cast<std::uint8_t>(PolicyKind::kRedundant) && path < kPathsMax;
}

}  // namespace

void encode_header(const PacketHeader& header, MutableBytes output) {
  store(output, 0, static_cast<std::uint8_t>(header.version << 4 | kMagic));
  store(output, 1, static_cast<std::uint8_t>(header.type));
  store(output, 2, header.flags);
  store(output, 4, header.session);
  store(output, 8, header.number);
  store(output, 16, header.path);
  store(output, 17, std::uint8_t{0});
  store(output, 18, header.payload_bytes);
  store(output, 20, header.timestamp_us);
}

Result<PacketHeader> decode_header(ByteView datagram) {
  if (datagram.size() < PacketHeader::kBytes) return fail(EBADMSG, "decode_header: too short");
  const auto first = load<std::uint8_t>(datagram, 0);
  const auto type = load<std::uint8_t>(datagram, 1);
  PacketHeader header;
  header.version = first >> 4;
  header.flags = load<std::uint16_t>(datagram, 2);
  header.session = load<std::uint32_t>(datagram, 4);
  header.number = load<std::uint64_t>(datagram, 8);
  header.path = load<std::uint8_t>(datagram, 16);
  header.payload_bytes = load<std::uint16_t>(datagram, 18);
  header.timestamp_us = load<std::uint32_t>(datagram, 20);
  if ((first & 0x0f) != kMagic || header.version == 0) return fail(EBADMSG, "decode_header: not a packet of ours");
  if (type < 1 || type > static_cast<std::uint8_t>(PacketType::kOffer)) return fail(EBADMSG, "decode_header: type");
  header.type = static_cast<PacketType>(type);
  if ((header.flags & ~packet_flags::kKnown) != 0) return fail(EBADMSG, "decode_header: flags");
  if (load<std::uint8_t>(datagram, 17) != 0) return fail(EBADMSG, "decode_header: reserved byte");
  const std::size_t whole_bytes = PacketHeader::kBytes + header.payload_bytes + trailer_bytes(header.flags);
  if (whole_bytes > datagram.size()) return fail(EBADMSG, "decode_header: truncated");
  return header;
}

void put_crc(MutableBytes output, std::size_t packet_bytes) {
  store(output, packet_bytes, crc32c(output.first(packet_bytes)));
}

bool is_crc_right(const PacketHeader& header, ByteView datagram) {
  const std::size_t packet_bytes = PacketHeader::kBytes + header.payload_bytes;
  return load<std::uint32_t>(datagram, packet_bytes) == crc32c(datagram.first(packet_bytes));
}

std::size_t put_frame(const AckFrame& frame, MutableBytes output) {
  const std::size_t bytes = frame.frame_bytes();
  put_head(output, FrameType::kAck, bytes - kFrameHeadBytes);
  store(output, 4, frame.largest);
  store(output, 12, frame.echo_us);
  store(output, 16, frame.delay_us);
  store(output, 18, frame.path);
  store(output, 19, frame.range_count);
  for (std::size_t i = 0; i < frame.range_count; ++i) {
    store(output, 20 + 4 * i, frame.ranges[i].gap);
    store(output, 22 + 4 * i, frame.ranges[i].length);
  }
  return bytes;
}

std::size_t put_frame(const CreditFrame& frame, MutableBytes output) {
  put_head(output, FrameType::kCredit, CreditFrame::kFrameBytes - kFrameHeadBytes);
  store(output, 4, frame.connection);
  store(output, 8, static_cast<std::uint32_t>(frame.direction));
  store(output, 12, frame.limit_bytes);
  return CreditFrame::kFrameBytes;
}

std::size_t put_frame(const CloseFrame& frame, MutableBytes output) {
  put_head(output, FrameType::kClose, CloseFrame::kFrameBytes - kFrameHeadBytes);
  store(output, 4, frame.connection);
  store(output, 8, static_cast<std::uint8_t>(frame.direction));
  store(output, 9, static_cast<std::uint8_t>(frame.policy));
  store(output, 10, frame.policy_path);
  store(output, 11, std::uint8_t{0});
  store(output, 12, frame.messages);
  return CloseFrame::kFrameBytes;
}

std::size_t put_frame(const PingFrame&, MutableBytes output) {
  put_head(output, FrameType::kPing, 0);
  return PingFrame::kFrameBytes;
}

std::size_t put_frame(const GoodbyeFrame&, MutableBytes output) {
  put_head(output, FrameType::kGoodbye, GoodbyeFrame::kFrameBytes - kFrameHeadBytes);
  store(output, 4, std::uint32_t{0});
  return GoodbyeFrame::kFrameBytes;
}

std::size_t put_frame(const DataFrame& frame, MutableBytes output) {
  const std::size_t end = DataFrame::kHeadBytes + frame.piece.size();
  put_head(output, FrameType::kData, end - kFrameHeadBytes);
  store(output, 4, frame.connection);
  store(output, 8, frame.message);
  store(output, 12, frame.offset);
  store(output, 16, frame.total);
  store(output, 20, static_cast<std::uint8_t>(frame.direction));
  store(output, 21, static_cast<std::uint8_t>(frame.priority));
  store(output, 22, static_cast<std::uint8_t>(frame.policy));
  store(output, 23, frame.policy_path);
  if (!frame.piece.empty()) std::memcpy(output.data() + DataFrame::kHeadBytes, frame.piece.data(), frame.piece.size());
  const std::size_t padded = padded_to_4(end);
  for (std::size_t i = end; i < padded; ++i) output[i] = std::byte{0};
  return padded;
}

bool FrameReader::next(FrameView& frame) {
  while (!has_failed_ && !rest_.empty()) {
    has_failed_ = true;  // Until the frame turns out to be one.
    if (rest_.size() < kFrameHeadBytes) return false;
    const auto type = load<std::uint8_t>(rest_, 0);
    const auto flags = load<std::uint8_t>(rest_, 1);
    const std::size_t body_bytes = load<std::uint16_t>(rest_, 2);
    const std::size_t frame_bytes = kFrameHeadBytes + padded_to_4(body_bytes);
    if (frame_bytes > rest_.size()) return false;
    if (!is_known(type) && (flags & kFrameSkippable) == 0) return false;
    frame.body = rest_.subspan(kFrameHeadBytes, body_bytes);
    rest_ = rest_.subspan(frame_bytes);
    has_failed_ = false;
    if (!is_known(type)) continue;
    frame.type = static_cast<FrameType>(type);
    return true;
  }
  return false;
}

Result<DataFrame> decode_data(ByteView body) {
  constexpr std::size_t kHead = DataFrame::kHeadBytes - kFrameHeadBytes;
  if (body.size() < kHead) return fail(EBADMSG, "decode_data: truncated");
  DataFrame frame;
  frame.connection = load<std::uint32_t>(body, 0);
  frame.message = load<std::uint32_t>(body, 4);
  frame.offset = load<std::uint32_t>(body, 8);
  frame.total = load<std::uint32_t>(body, 12);
  const auto direction = load<std::uint8_t>(body, 16);
  frame.priority = static_cast<Priority>(load<std::uint8_t>(body, 17));
  const auto policy = load<std::uint8_t>(body, 18);
  frame.policy_path = load<std::uint8_t>(body, 19);
  frame.piece = body.subspan(kHead);
  if (frame.connection == 0 || !is_direction(direction)) return fail(EBADMSG, "decode_data: which stream");
  if (!is_policy(policy, frame.policy_path)) return fail(EBADMSG, "decode_data: policy");
  if (frame.total > kMessageBytesMax) return fail(EBADMSG, "decode_data: message too long");
  if (frame.offset > frame.total || frame.piece.size() > frame.total - frame.offset) {
    return fail(EBADMSG, "decode_data: piece outside its message");
  }
  if (frame.piece.empty() && frame.total != 0) return fail(EBADMSG, "decode_data: empty piece");
  frame.direction = static_cast<Direction>(direction);
  frame.policy = static_cast<PolicyKind>(policy);
  return frame;
}

Result<AckFrame> decode_ack(ByteView body) {
  if (body.size() < AckFrame::kBodyBytesMin) return fail(EBADMSG, "decode_ack: truncated");
  AckFrame frame;
  frame.largest = load<std::uint64_t>(body, 0);
  frame.echo_us = load<std::uint32_t>(body, 8);
  frame.delay_us = load<std::uint16_t>(body, 12);
  frame.path = load<std::uint8_t>(body, 14);
  frame.range_count = load<std::uint8_t>(body, 15);
  if (frame.range_count < 1 || frame.range_count > AckFrame::kRangesMax) return fail(EBADMSG, "decode_ack: ranges");
  if (body.size() != AckFrame::kBodyBytesMin + 4 * std::size_t{frame.range_count}) {
    return fail(EBADMSG, "decode_ack: wrong length");
  }
  std::uint64_t left = frame.largest;  // Packet numbers from 1 to `left` are still to be told about.
  for (std::size_t i = 0; i < frame.range_count; ++i) {
    AckRange& range = frame.ranges[i];
    range.gap = load<std::uint16_t>(body, 16 + 4 * i);
    range.length = load<std::uint16_t>(body, 18 + 4 * i);
    const bool is_first = i == 0;
    const std::uint64_t told = std::uint64_t{range.gap} + range.length;
    if (range.length == 0 || is_first != (range.gap == 0) || told > left) return fail(EBADMSG, "decode_ack: range");
    left -= told;
  }
  return frame;
}

Result<CreditFrame> decode_credit(ByteView body) {
  if (body.size() != CreditFrame::kFrameBytes - kFrameHeadBytes) return fail(EBADMSG, "decode_credit: wrong length");
  CreditFrame frame;
  frame.connection = load<std::uint32_t>(body, 0);
  const auto direction = load<std::uint32_t>(body, 4);
  frame.limit_bytes = load<std::uint64_t>(body, 8);
  if (direction != 1 && direction != 2) return fail(EBADMSG, "decode_credit: direction");
  frame.direction = static_cast<Direction>(direction);
  return frame;
}

Result<CloseFrame> decode_close(ByteView body) {
  if (body.size() != CloseFrame::kFrameBytes - kFrameHeadBytes) return fail(EBADMSG, "decode_close: wrong length");
  CloseFrame frame;
  frame.connection = load<std::uint32_t>(body, 0);
  const auto direction = load<std::uint8_t>(body, 4);
  const auto policy = load<std::uint8_t>(body, 5);
  frame.policy_path = load<std::uint8_t>(body, 6);
  frame.messages = load<std::uint32_t>(body, 8);
  if (frame.connection == 0 || (direction != 1 && direction != 2)) return fail(EBADMSG, "decode_close: which stream");
  if (!is_policy(policy, frame.policy_path) || load<std::uint8_t>(body, 7) != 0) {
    return fail(EBADMSG, "decode_close: policy");
  }
  frame.direction = static_cast<Direction>(direction);
  frame.policy = static_cast<PolicyKind>(policy);
  return frame;
}

bool are_frames_valid(ByteView payload) {
  FrameReader frames(payload);
  FrameView frame;
  while (frames.next(frame)) {
    bool is_valid = false;
    switch (frame.type) {
      case FrameType::kData:
        is_valid = decode_data(frame.body).has_value();
        break;
      case FrameType::kAck:
        is_valid = decode_ack(frame.body).has_value();
        break;
      case FrameType::kCredit:
        is_valid = decode_credit(frame.body).has_value();
        break;
      case FrameType::kClose:
        is_valid = decode_close(frame.body).has_value();
        break;
      case FrameType::kPing:
        is_valid = frame.body.empty();
        break;
      case FrameType::kGoodbye:
        is_valid = frame.body.size() == 4;
        break;
    }
    if (!is_valid) return false;
  }
  return !frames.has_failed();
}

}  // namespace qnet::wire
