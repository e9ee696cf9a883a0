// SPDX-License-Identifier: Apache-2.0
#include "transport/link/interface_mtu.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "transport/base/unique_fd.hpp"
#include "transport/link/udp_address.hpp"

namespace qnet::link {
namespace {

std::optional<std::size_t> mtu_of(int fd, const char* interface_name) {
  ifreq request{};
  std::strncpy(request.ifr_name, interface_name, IFNAMSIZ - 1);
  if (ioctl(fd, SIOCGIFMTU, &request) != 0 || request.ifr_mtu <= 0) return std::nullopt;
  return static_cast<std::size_t>(request.ifr_mtu);
}

/// The bytes of the host address in a sockaddr of that family.
std::span<const unsigned char> host_bytes(const sockaddr* source) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(source);
  if (source->sa_family == AF_INET) return {bytes + offsetof(sockaddr_in, sin_addr), sizeof(in_addr)};
  return {bytes + offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr)};
}

enum class Match { kNone, kNetwork, kAddress };

Match match(const ifaddrs& interface, const core::Address& address) {
  if (interface.ifa_addr == nullptr || interface.ifa_addr->sa_family != family_of(address)) return Match::kNone;
  const auto own = host_bytes(interface.ifa_addr);
  const auto wanted = host_bytes(as_sockaddr(address));
  const bool is_other_scope = scope_of(address) != 0 && if_nametoindex(interface.ifa_name) != scope_of(address);
  if (is_other_scope) return Match::kNone;
  if (std::ranges::equal(own, wanted)) return Match::kAddress;
  if (interface.ifa_netmask == nullptr) return Match::kNone;
  const auto mask = host_bytes(interface.ifa_netmask);
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (((own[i] ^ wanted[i]) & mask[i]) != 0) return Match::kNone;
  }
  return Match::kNetwork;
}

}  // namespace

std::size_t interface_mtu(const core::Address& address) {
  ifaddrs* list = nullptr;
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd || getifaddrs(&list) != 0) return kMtuDefault;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);

  std::optional<std::size_t> smallest;
  Match best = Match::kNone;
  std::optional<std::size_t> matched;
  for (const ifaddrs* interface = list; interface != nullptr; interface = interface->ifa_next) {
    const bool counts = (interface->ifa_flags & IFF_UP) != 0 && (interface->ifa_flags & IFF_LOOPBACK) == 0;
    const Match found = is_any(address) ? Match::kNone : match(*interface, address);
    if (!counts && found == Match::kNone) continue;
    const std::optional<std::size_t> mtu = mtu_of(fd.get(), interface->ifa_name);
    if (!mtu) continue;
    if (counts) smallest = std::min(smallest.value_or(*mtu), *mtu);
    if (found > best) {
      best = found;
      matched = mtu;
    }
  }
  return is_any(address) ? smallest.value_or(kMtuDefault) : matched.value_or(kMtuDefault);
}

}  // namespace qnet::link
