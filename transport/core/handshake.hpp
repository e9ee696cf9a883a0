// SPDX-License-Identifier: Apache-2.0
//
// handshake.hpp: which numbers do two nodes agree on, and which of two hellos is newer?
//
// An end of a session is named by a tag: incarnation, and an epoch that grows when this life has to begin anew with
// that peer. A session connects exactly two tags. Its token, which every packet carries, is the receiver's random index
// mixed with the sender's tag: packets of an earlier life of the sender do not fit, even where the index is the same.
#pragma once

#include <cstdint>
#include <optional>

#include "transport/core/context.hpp"
#include "transport/core/path.hpp"
#include "transport/wire/control.hpp"

namespace qnet::core {

/// Low bits of index and token: the receiver's number of the peer.
inline constexpr unsigned kSlotBits = 12;
inline constexpr std::uint32_t kSlotMask = (1u << kSlotBits) - 1;

/// What packets from the owner of `sender` to the owner of `index` carry.
std::uint32_t session_token(std::uint32_t index, const wire::SessionTag& sender);

/// Highest version that both speak; nothing if there is none.
std::optional<std::uint8_t> common_version(const EngineConfig& own, const wire::Hello& theirs);

/// Where a packet outside of sessions goes; with a CRC also where the link does not ask for it.
struct Destination {
  LinkId link;
  Address address;
  bool has_crc = false;
};

/// Queues a kHello or kHelloAck packet; fills in what is the same for all peers.
void send_hello(Context& context, wire::PacketType type, wire::Hello hello, const Destination& to, Instant now);

/// Says "I know no such session" to whoever sent `header`.
void send_reset(Context& context, const wire::PacketHeader& header, LinkId link, const Address& to, Instant now);

}  // namespace qnet::core
