// SPDX-License-Identifier: Apache-2.0
#include "transport/link/udp_address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <optional>

namespace qnet::link {
namespace {

static_assert(sizeof(sockaddr_in6) == core::Address::kBytesMax);

template <class Sockaddr>
core::Address pack(const Sockaddr& source) {
  core::Address address;
  std::memcpy(address.bytes.data(), &source, sizeof source);
  address.size_bytes = sizeof source;
  return address;
}

// core::Address is not aligned for a sockaddr, so it is copied.
template <class Sockaddr>
Sockaddr unpack(const core::Address& address) {
  Sockaddr target;
  std::memcpy(&target, address.bytes.data(), sizeof target);
  return target;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

struct Parts {
  std::string host;
  std::string scope;
  std::uint16_t port = kUdpPortDefault;
  bool is_v6 = false;
};

std::optional<Parts> split(std::string_view text) {
  Parts parts;
  std::size_t host_end = text.find(':');
  std::string_view host = text.substr(0, host_end);
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == text.npos) return std::nullopt;
    host = text.substr(1, bracket - 1);
    host_end = bracket + 1 < text.size() ? bracket + 1 : text.npos;
    parts.is_v6 = true;
  }
  if (host_end != text.npos) {
    if (text[host_end] != ':') return std::nullopt;
    const auto port = parse_number<std::uint16_t>(text.substr(host_end + 1));
    if (!port) return std::nullopt;
    parts.port = *port;
  }
  const std::size_t percent = parts.is_v6 ? host.find('%') : host.npos;
  if (percent != host.npos) {
    parts.scope = host.substr(percent + 1);
    if (parts.scope.empty()) return std::nullopt;
  }
  parts.host = host.substr(0, percent);
  return parts;
}

std::optional<std::uint32_t> scope_number(const std::string& scope) {
  if (const std::uint32_t index = if_nametoindex(scope.c_str()); index != 0) return index;
  const auto number = parse_number<std::uint32_t>(scope);
  return number && *number != 0 ? number : std::nullopt;
}

}  // namespace

Result<core::Address> parse_udp_address(std::string_view text) {
  const std::optional<Parts> parts = split(text);
  if (!parts) return fail(EINVAL, "address");
  if (!parts->is_v6) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(parts->port);
    if (inet_pton(AF_INET, parts->host.c_str(), &v4.sin_addr) != 1) return fail(EINVAL, "IPv4 address");
    return pack(v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(parts->port);
  if (inet_pton(AF_INET6, parts->host.c_str(), &v6.sin6_addr) != 1) return fail(EINVAL, "IPv6 address");
  if (!parts->scope.empty()) {
    const std::optional<std::uint32_t> scope = scope_number(parts->scope);
    if (!scope || !IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) return fail(EINVAL, "scope of an IPv6 address");
    v6.sin6_scope_id = *scope;
  }
  return pack(v6);
}

std::string format_udp_address(const core::Address& address) {
  char host[INET6_ADDRSTRLEN] = "";
  std::string text;
  if (family_of(address) == AF_INET) {
    const auto v4 = unpack<sockaddr_in>(address);
    text.append(inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host));
  } else if (family_of(address) == AF_INET6) {
    const auto v6 = unpack<sockaddr_in6>(address);
    text.append("[").append(inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host));
    if (v6.sin6_scope_id != 0) {
      char name[IF_NAMESIZE];
      const bool has_name = if_indextoname(v6.sin6_scope_id, name) != nullptr;
      text.append("%").append(has_name ? std::string(name) : std::to_string(v6.sin6_scope_id));
    }
    text.append("]");
  } else {
    return "?";
  }
  return text.append(":").append(std::to_string(port_of(address)));
}

core::Address from_sockaddr(const sockaddr* source) {
  if (source->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, source, sizeof v4);
    std::memset(v4.sin_zero, 0, sizeof v4.sin_zero);
    return pack(v4);
  }
  if (source->sa_family != AF_INET6) return {};
  sockaddr_in6 v6;
  std::memcpy(&v6, source, sizeof v6);
  v6.sin6_flowinfo = 0;
  if (!IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) v6.sin6_scope_id = 0;
  return pack(v6);
}

int family_of(const core::Address& address) {
  sa_family_t family = AF_UNSPEC;
  static_assert(offsetof(sockaddr, sa_family) == 0);
  std::memcpy(&family, address.bytes.data(), sizeof family);
  if (family == AF_INET && address.size_bytes == sizeof(sockaddr_in)) return AF_INET;
  if (family == AF_INET6 && address.size_bytes == sizeof(sockaddr_in6)) return AF_INET6;
  return AF_UNSPEC;
}

std::uint16_t port_of(const core::Address& address) {
  if (family_of(address) == AF_INET) return ntohs(unpack<sockaddr_in>(address).sin_port);
  if (family_of(address) == AF_INET6) return ntohs(unpack<sockaddr_in6>(address).sin6_port);
  return 0;
}

std::uint32_t scope_of(const core::Address& address) {
  return family_of(address) == AF_INET6 ? unpack<sockaddr_in6>(address).sin6_scope_id : 0;
}

bool is_link_local(const core::Address& address) {
  if (family_of(address) != AF_INET6) return false;
  const auto v6 = unpack<sockaddr_in6>(address);
  return IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr);
}

bool is_any(const core::Address& address) {
  if (family_of(address) == AF_INET) return unpack<sockaddr_in>(address).sin_addr.s_addr == htonl(INADDR_ANY);
  if (family_of(address) != AF_INET6) return false;
  const auto v6 = unpack<sockaddr_in6>(address);
  return IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
}

core::Address with_port(const core::Address& address, std::uint16_t port) {
  if (family_of(address) == AF_INET) {
    auto v4 = unpack<sockaddr_in>(address);
    v4.sin_port = htons(port);
    return pack(v4);
  }
  if (family_of(address) != AF_INET6) return address;
  auto v6 = unpack<sockaddr_in6>(address);
  v6.sin6_port = htons(port);
  return pack(v6);
}

core::Address with_scope(const core::Address& address, std::uint32_t scope) {
  if (family_of(address) != AF_INET6) return address;
  auto v6 = unpack<sockaddr_in6>(address);
  v6.sin6_scope_id = scope;
  return pack(v6);
}

core::Address loopback_of(int family) {
  if (family == AF_INET6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    return pack(v6);
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return pack(v4);
}

}  // namespace qnet::link
