// SPDX-License-Identifier: Apache-2.0
#include "transport/core/handshake.hpp"

#include <algorithm>

#include "transport/base/check.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core {
namespace {

template <class Message>
void queue(Context& context, wire::PacketType type, const Message& message, const Destination& to, Instant now) {
  ControlPacket packet;
  packet.link = to.link;
  packet.to = to.address;
  const MutableBytes bytes(packet.bytes);
  const Result<ByteView> body = wire::encode(message, bytes.subspan(wire::PacketHeader::kBytes));
  QNET_CHECK(body.has_value());
  wire::PacketHeader header;
  header.type = type;
  header.payload_bytes = static_cast<std::uint16_t>(body->size());
  header.timestamp_us = timestamp_us(now);
  if (to.has_crc || context.links[to.link.value].has_crc) header.flags |= wire::packet_flags::kCrc;
  wire::encode_header(header, bytes);
  packet.size_bytes = wire::PacketHeader::kBytes + body->size();
  if (header.flags != 0) {
    wire::put_crc(bytes, packet.size_bytes);
    packet.size_bytes += wire::kCrcBytes;
  }
  context.send_control(packet);
}

}  // namespace

std::uint32_t session_token(std::uint32_t index, const wire::SessionTag& sender) {
  std::uint64_t x = sender.incarnation + 0x9e3779b97f4a7c15u * (std::uint64_t{sender.epoch} + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;  // splitmix64
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  x ^= x >> 31;
  return index ^ (static_cast<std::uint32_t>(x) & ~kSlotMask);
}

std::optional<std::uint8_t> common_version(const EngineConfig& own, const wire::Hello& theirs) {
  const std::uint8_t version = std::min(own.protocol_highest, theirs.version_highest);
  if (version < own.protocol_lowest || version < theirs.version_lowest) return std::nullopt;
  return version;
}

void send_hello(Context& context, wire::PacketType type, wire::Hello hello, const Destination& to, Instant now) {
  hello.version_lowest = context.config.protocol_lowest;
  hello.version_highest = context.config.protocol_highest;
  hello.features = wire::kFeatures;
  hello.node = context.node.id;
  hello.own.incarnation = context.node.incarnation.value;
  hello.datagram_bytes = static_cast<std::uint32_t>(context.links[to.link.value].datagram_bytes_max);
  hello.connection_credit_bytes = context.config.connection_credit_bytes;
  hello.session_credit_bytes = context.config.session_credit_bytes;
  hello.name = context.node.name;
  queue(context, type, hello, to, now);
}

void send_reset(Context& context, const wire::PacketHeader& header, LinkId link, const Address& to, Instant now) {
  queue(context, wire::PacketType::kReset, wire::Reset{.session = header.session, .number = header.number},
        {.link = link, .address = to, .has_crc = (header.flags & wire::packet_flags::kCrc) != 0}, now);
}

}  // namespace qnet::core
