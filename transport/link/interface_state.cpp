// SPDX-License-Identifier: Apache-2.0
#include "transport/link/interface_state.hpp"

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

core::LinkFault fault_of(const ifaddrs& interface) {
  if ((interface.ifa_flags & IFF_UP) == 0) return core::LinkFault::kInterfaceDown;
  if ((interface.ifa_flags & IFF_RUNNING) == 0) return core::LinkFault::kNoCarrier;
  return core::LinkFault::kNone;
}

/// An address may be ours and on no interface: all of 127.0.0.0/8, or a route of type "local". bind(2) knows them.
bool can_bind(const core::Address& address) {
  const core::Address any_port = with_port(address, 0);
  const UniqueFd fd(socket(family_of(address), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return !fd || bind(fd.get(), as_sockaddr(any_port), any_port.size_bytes) == 0 || errno != EADDRNOTAVAIL;
}

struct Search {
  Match match = Match::kNone;
  InterfaceState best;
  std::optional<std::size_t> smallest_mtu;  // of all that are up

  void consider(const ifaddrs& interface, const core::Address& address, int fd) {
    const bool is_general = (interface.ifa_flags & IFF_UP) != 0 && (interface.ifa_flags & IFF_LOOPBACK) == 0;
    const Match found = is_any(address) ? Match::kNone : qnet::link::match(interface, address);
    if (!is_general && found == Match::kNone) return;
    const std::optional<std::size_t> mtu = mtu_of(fd, interface.ifa_name);
    if (!mtu) return;
    if (is_general) smallest_mtu = std::min(smallest_mtu.value_or(*mtu), *mtu);
    if (found <= match) return;
    match = found;
    best = {fault_of(interface), *mtu};
  }
};

}  // namespace

InterfaceState interface_state(const core::Address& address) {
  ifaddrs* list = nullptr;
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd || getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  Search search;
  for (const ifaddrs* interface = list; interface != nullptr; interface = interface->ifa_next) {
    search.consider(*interface, address, fd.get());
  }
  if (is_any(address)) return {core::LinkFault::kNone, search.smallest_mtu.value_or(kMtuDefault)};
  if (search.match != Match::kAddress && !can_bind(address)) search.best.fault = core::LinkFault::kNoAddress;
  return search.best;
}

}  // namespace qnet::link
