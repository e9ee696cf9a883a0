// SPDX-License-Identifier: Apache-2.0
//
// control.hpp: what do two nodes say to each other before they have a session?
//
//   A ── HELLO    {who I am, who I think you are} ──► B
//   A ◄─ HELLO_ACK{who I am, who you said you are} ── B      the same message, with A's nonce
//   A ── first packet with B's session token ───────► B      B now knows that A has heard it
//
// These packets are the same in every protocol version: fields are only ever added at the end, and what follows the
// known fields is ignored. HELLO and HELLO_ACK are of equal size, so that nobody is amplified.
// Not here: what follows from them (core/peer.hpp).
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>

#include "transport/base/ids.hpp"
#include "transport/base/net_path.hpp"
#include "transport/wire/codec.hpp"

namespace qnet::wire {

inline void get_field(Reader& in, NodeId& id) {
  const ByteView raw = in.take(id.bytes.size());
  if (!raw.empty()) std::memcpy(id.bytes.data(), raw.data(), raw.size());
}
inline void put_field(Writer& out, const NodeId& id) {
  out.put_raw(id.bytes);
}

/// Bits of Hello::features. None exist yet; a feature is used when both sides have its bit.
inline constexpr std::uint64_t kFeatures = 0;

/// One side's end of a session: a life of a node, and how often that life has had to begin anew with this peer.
struct SessionTag {
  std::uint64_t incarnation = 0;
  std::uint32_t epoch = 0;

  auto fields() { return std::tie(incarnation, epoch); }
  auto fields() const { return std::tie(incarnation, epoch); }
  bool is_none() const { return incarnation == 0; }
  auto operator<=>(const SessionTag&) const = default;
};

/// Body of kHello and kHelloAck.
struct Hello {
  std::uint8_t version_lowest = 0;  // protocol versions the sender speaks
  std::uint8_t version_highest = 0;
  std::uint8_t path = 0;  // the sender's numbering
  std::uint8_t reserved = 0;
  std::uint64_t features = 0;
  std::uint64_t cluster = 0;  // 0: any
  NodeId node;
  SessionTag own;                    // the sender's end
  SessionTag target;                 // the receiver's end, as the sender knows it; none if it does not
  std::uint32_t session = 0;         // what the receiver's packets must carry, before mixing (core/handshake.hpp)
  std::uint64_t nonce = 0;           // kHello: chosen by the sender; kHelloAck: the one of the hello
  std::uint32_t echo_us = 0;         // kHelloAck: timestamp_us of the hello
  std::uint32_t datagram_bytes = 0;  // largest datagram of the sender's link
  std::uint64_t connection_credit_bytes = 0;  // what every new connection starts with
  std::uint64_t session_credit_bytes = 0;
  std::string_view name;
  Tail extensions;

  auto fields() {
    return std::tie(version_lowest, version_highest, path, reserved, features, cluster, node, own, target, session,
                    nonce, echo_us, datagram_bytes, connection_credit_bytes, session_credit_bytes, name, extensions);
  }
  auto fields() const {
    return std::tie(version_lowest, version_highest, path, reserved, features, cluster, node, own, target, session,
                    nonce, echo_us, datagram_bytes, connection_credit_bytes, session_credit_bytes, name, extensions);
  }
  bool is_plausible() const {
    return version_lowest >= 1 && version_lowest <= version_highest && !own.is_none() && is_node_name(name);
  }
};
/// Longest kHello packet that this build writes.
inline constexpr std::size_t kHelloBytesMax = 24 + 160;

/// Body of kReset: "I know no such session". Echoes the packet it answers; only ever a hint.
struct Reset {
  std::uint32_t session = 0;
  std::uint64_t number = 0;
  Tail extensions;

  auto fields() { return std::tie(session, number, extensions); }
  auto fields() const { return std::tie(session, number, extensions); }
};

}  // namespace qnet::wire
