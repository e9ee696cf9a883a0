// SPDX-License-Identifier: Apache-2.0
//
// udp_address.hpp: how is a UDP address written, and what does the engine keep of it?
//
// core::Address holds a sockaddr_in or sockaddr_in6 in one normal form (no flow label, a scope only where the address
// is link-local), because addresses are compared byte by byte.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "transport/base/result.hpp"
#include "transport/core/address.hpp"

namespace qnet::link {

inline constexpr std::uint16_t kUdpPortDefault = 8204;

/// "10.71.0.2", "10.71.0.2:8204", "[::1]", "[fe80::1%en0]:8204"; a scope is an interface's name or number. EINVAL.
/// Port 0 ("any") is accepted; whoever needs a destination refuses it.
Result<core::Address> parse_udp_address(std::string_view text);

/// What parse_udp_address() reads back, always with the port. "?" for an address that is none of ours.
std::string format_udp_address(const core::Address& address);

/// From the kernel's form. Empty for another family.
core::Address from_sockaddr(const sockaddr* source);

/// AF_INET, AF_INET6, or AF_UNSPEC for an address that is none of ours.
int family_of(const core::Address& address);
std::uint16_t port_of(const core::Address& address);
/// The interface of a link-local IPv6 address, else 0.
std::uint32_t scope_of(const core::Address& address);
bool is_link_local(const core::Address& address);
/// 0.0.0.0 or ::
bool is_any(const core::Address& address);

core::Address with_port(const core::Address& address, std::uint16_t port);
core::Address with_scope(const core::Address& address, std::uint32_t scope);
/// The loopback address of that family, port 0.
core::Address loopback_of(int family);

inline const sockaddr* as_sockaddr(const core::Address& address) {
  return reinterpret_cast<const sockaddr*>(address.bytes.data());
}

}  // namespace qnet::link
