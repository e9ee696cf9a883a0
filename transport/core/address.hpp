// SPDX-License-Identifier: Apache-2.0
//
// address.hpp: where does a datagram go? Opaque to the engine: it only compares and stores it.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace qnet::core {

/// A driver's own address: a sockaddr of IPv4 or IPv6, a MAC address, a number in the simulator.
struct Address {
  static constexpr std::size_t kBytesMax = 28;  // sockaddr_in6

  std::array<std::byte, kBytesMax> bytes{};
  std::uint8_t size_bytes = 0;

  auto operator<=>(const Address&) const = default;
  /// Asked for each packet: one comparison of memory, not byte by byte.
  friend bool operator==(const Address& a, const Address& b) {
    return std::memcmp(a.bytes.data(), b.bytes.data(), kBytesMax) == 0 && a.size_bytes == b.size_bytes;
  }
};

}  // namespace qnet::core
