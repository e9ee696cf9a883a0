// SPDX-License-Identifier: Apache-2.0
//
// ids.hpp: which integers must not be confused?
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace qnet {

/// An integer with a meaning: two kinds do not convert into each other. Zero means "none".
template <class Tag, class Integer>
struct Id {
  Integer value = 0;

  constexpr bool is_none() const { return value == 0; }
  constexpr auto operator<=>(const Id&) const = default;
};

/// The owner-side name of something open; random, unique per owner, never reused while the owner runs.
using HandleId = Id<struct HandleTag, std::uint64_t>;
/// One operation, from the application to its owner and back; the same number in every log line about it.
using RequestId = Id<struct RequestTag, std::uint64_t>;
/// An ordered message stream inside a session; chosen by the side that opens it, never reused in a session.
using ConnectionId = Id<struct ConnectionTag, std::uint32_t>;
/// One life of a node: strictly increasing from start to start.
using Incarnation = Id<struct IncarnationTag, std::uint64_t>;

/// A local network link (en0, en1 …), an index into the agent's links. Not an Id: 0 is the first link.
struct LinkId {
  std::uint8_t value = 0;
  constexpr auto operator<=>(const LinkId&) const = default;
};

/// A peer that this agent knows, an index chosen by the engine. Not an Id: 0 is the first peer.
struct PeerId {
  std::uint32_t value = 0;
  constexpr auto operator<=>(const PeerId&) const = default;
};

/// Who a machine is, whatever it is called: 128 random bits, created once and kept on disk.
struct NodeId {
  std::array<std::byte, 16> bytes{};
  constexpr auto operator<=>(const NodeId&) const = default;
};

}  // namespace qnet

template <class Tag, class Integer>
struct std::hash<qnet::Id<Tag, Integer>> {
  std::size_t operator()(qnet::Id<Tag, Integer> id) const noexcept { return std::hash<Integer>()(id.value); }
};
template <>
struct std::hash<qnet::PeerId> {
  std::size_t operator()(qnet::PeerId id) const noexcept { return id.value; }
};
