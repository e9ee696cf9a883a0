// SPDX-License-Identifier: Apache-2.0
//
// packet.hpp: what is on the cable?
//
//   0        1        2                 4                                   8
//   +--------+--------+--------+--------+--------+--------+--------+--------+
//   |ver|  E |  type  |      flags      |     receiver's session token      |
//   +--------+--------+--------+--------+--------+--------+--------+--------+
//   |              packet number of this path and direction                 |
//   +--------+--------+--------+--------+--------+--------+--------+--------+
//   |  path  |   0    | payload length  |  sender's clock, us, low 32 bits  |
//   +--------+--------+--------+--------+--------+--------+--------+--------+
//   | frames (kData) or one control message (control.hpp)                   |
//   | CRC-32C of all this, if the flag says so: 4 bytes                     |
//
// Little-endian. A frame is: type u8, flags u8, body length u16, body, zeros up to a multiple of 4. What may never
// change, in any version: the first two bytes, the type numbers, and the packets kHello, kHelloAck and kReset, which
// always carry version 1. Everything else belongs to the version that the handshake agreed on.
//
// The decoder validates everything before anybody acts on anything, allocates nothing and does not recurse.
// Not here: which frame is sent when (core/session.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "transport/base/bytes.hpp"
#include "transport/base/priority.hpp"
#include "transport/base/result.hpp"

namespace qnet::wire {

/// Range of protocol versions this build speaks; 1 to 15 fit into the header.
inline constexpr std::uint8_t kProtocolLowest = 1;
inline constexpr std::uint8_t kProtocolHighest = 1;
/// Low nibble of the first byte.
inline constexpr std::uint8_t kMagic = 0x0e;

enum class PacketType : std::uint8_t {
  kData = 1,
  kHello = 2,
  kHelloAck = 3,
  kCookie = 4,  // reserved
  kReset = 5,
  kDiscover = 6,  // reserved
  kOffer = 7,     // reserved
};

namespace packet_flags {
inline constexpr std::uint16_t kCrc = 1 << 0;        // trailer of 4 bytes
inline constexpr std::uint16_t kMac = 1 << 1;        // reserved: trailer of 16 bytes
inline constexpr std::uint16_t kEncrypted = 1 << 2;  // reserved
inline constexpr std::uint16_t kKeyPhase = 1 << 3;   // reserved
inline constexpr std::uint16_t kAckNow = 1 << 4;     // the sender waits for the acknowledgement
inline constexpr std::uint16_t kProbe = 1 << 5;      // sent to learn whether the path works
inline constexpr std::uint16_t kPadded = 1 << 6;     // reserved
inline constexpr std::uint16_t kKnown = kCrc | kAckNow | kProbe;
}  // namespace packet_flags

struct PacketHeader {
  static constexpr std::size_t kBytes = 24;

  std::uint8_t version = kProtocolLowest;
  PacketType type = PacketType::kData;
  std::uint16_t flags = 0;
  std::uint32_t session = 0;  // token chosen by the receiver; 0 before the handshake
  std::uint64_t number = 0;   // from 1, never reused
  std::uint8_t path = 0;      // the sender's numbering
  std::uint16_t payload_bytes = 0;
  std::uint32_t timestamp_us = 0;

  friend bool operator==(const PacketHeader&, const PacketHeader&) = default;
};

/// `output` has at least PacketHeader::kBytes.
void encode_header(const PacketHeader& header, MutableBytes output);
/// Bytes behind payload and trailer are ignored (Ethernet pads). EBADMSG: not ours, truncated, or with a flag we do not
/// know. The CRC is not looked at.
Result<PacketHeader> decode_header(ByteView datagram);

inline constexpr std::size_t kCrcBytes = 4;
/// What stands behind the payload.
constexpr std::size_t trailer_bytes(std::uint16_t flags) {
  return (flags & packet_flags::kCrc) != 0 ? kCrcBytes : 0;
}
/// Writes the CRC of the packet, complete with a header that tells of it, behind its `packet_bytes`.
void put_crc(MutableBytes output, std::size_t packet_bytes);
/// `header` is the decoded one of `datagram`, and tells of a CRC.
bool is_crc_right(const PacketHeader& header, ByteView datagram);

enum class FrameType : std::uint8_t {
  kData = 1,
  kAck = 2,
  kCredit = 3,
  kClose = 4,
  kPing = 5,
  kGoodbye = 6,
};
/// Unknown frames with this flag are skipped, without it the packet is refused.
inline constexpr std::uint8_t kFrameSkippable = 0x01;
inline constexpr std::size_t kFrameHeadBytes = 4;

constexpr std::size_t padded_to_4(std::size_t size_bytes) {
  return (size_bytes + 3) & ~std::size_t{3};
}

/// Which of the two streams of a connection: from the side that opened it, or back.
enum class Direction : std::uint8_t { kRequest = 1, kReply = 2 };

/// Paths that one node may have to another.
inline constexpr std::uint8_t kPathsMax = 8;

/// Which links may carry a connection.
enum class PolicyKind : std::uint8_t {
  kLoadBalance = 0,  ///< all, each packet on the one that delivers soonest
  kPreferred = 1,    ///< one until it fails, then every other
  kExclusive = 2,    ///< one and no other
  kRedundant = 3,    ///< all, small messages on two at once
};

/// A piece of a message. Offset and total are in every piece: any order, any size, any link.
struct DataFrame {
  static constexpr std::size_t kHeadBytes = 24;  // frame head included

  std::uint32_t connection = 0;
  std::uint32_t message = 0;  // sequence number in its stream
  std::uint32_t offset = 0;
  std::uint32_t total = 0;  // bytes of the whole message, at most kMessageBytesMax
  Direction direction = Direction::kRequest;
  Priority priority = 0;
  /// In requests: how the replies are to travel. The link of kPreferred and kExclusive is that of the sender's path
  /// `policy_path`.
  PolicyKind policy = PolicyKind::kLoadBalance;
  std::uint8_t policy_path = 0;
  ByteView piece;
};

/// `length` packets received, after (below) `gap` missing ones.
struct AckRange {
  std::uint16_t gap = 0;     // 0 in the first range, else at least 1
  std::uint16_t length = 0;  // at least 1
  friend bool operator==(const AckRange&, const AckRange&) = default;
};

/// What arrived on one path of the receiver of this frame.
struct AckFrame {
  static constexpr std::size_t kRangesMax = 32;
  static constexpr std::size_t kBodyBytesMin = 16;

  std::uint64_t largest = 0;
  std::uint32_t echo_us = 0;   // timestamp_us of packet `largest`
  std::uint16_t delay_us = 0;  // how long the answer was held back
  std::uint8_t path = 0;
  std::uint8_t range_count = 0;
  std::array<AckRange, kRangesMax> ranges{};

  std::size_t frame_bytes() const { return kFrameHeadBytes + kBodyBytesMin + 4 * std::size_t{range_count}; }
};

/// How many bytes of messages may be started in total, ever, in this direction of this connection.
struct CreditFrame {
  static constexpr std::size_t kFrameBytes = 20;

  std::uint32_t connection = 0;               // 0: the whole session
  Direction direction = Direction::kRequest;  // of the messages that are allowed
  std::uint64_t limit_bytes = 0;
};

/// The stream ends after `messages` messages.
struct CloseFrame {
  static constexpr std::size_t kFrameBytes = 16;

  std::uint32_t connection = 0;
  Direction direction = Direction::kRequest;  // of the stream that ends
  std::uint32_t messages = 0;
  /// As in DataFrame: there may have been no request.
  PolicyKind policy = PolicyKind::kLoadBalance;
  std::uint8_t policy_path = 0;
};

struct PingFrame {
  static constexpr std::size_t kFrameBytes = 4;
};

struct GoodbyeFrame {
  static constexpr std::size_t kFrameBytes = 8;
};

/// Each writes one frame, padding included, to the front of `output`, which is large enough. Returns its bytes.
std::size_t put_frame(const AckFrame& frame, MutableBytes output);
std::size_t put_frame(const CreditFrame& frame, MutableBytes output);
std::size_t put_frame(const CloseFrame& frame, MutableBytes output);
std::size_t put_frame(const PingFrame& frame, MutableBytes output);
std::size_t put_frame(const GoodbyeFrame& frame, MutableBytes output);
/// Copies the piece behind its head.
std::size_t put_frame(const DataFrame& frame, MutableBytes output);

struct FrameView {
  FrameType type = FrameType::kPing;
  ByteView body;
};

/// Walks over the frames of one payload; unknown skippable frames are passed over.
class FrameReader {
 public:
  explicit FrameReader(ByteView payload) : rest_(payload) {}
  /// False at the end and after a failure.
  bool next(FrameView& frame);
  bool has_failed() const { return has_failed_; }

 private:
  ByteView rest_;
  bool has_failed_ = false;
};

/// Each checks everything that can be checked without the session. EBADMSG.
Result<DataFrame> decode_data(ByteView body);
Result<AckFrame> decode_ack(ByteView body);
Result<CreditFrame> decode_credit(ByteView body);
Result<CloseFrame> decode_close(ByteView body);
/// The whole payload: true if every frame of it is well-formed.
bool are_frames_valid(ByteView payload);

}  // namespace qnet::wire
