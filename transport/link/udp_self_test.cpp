// SPDX-License-Identifier: Apache-2.0
#include "transport/link/udp_self_test.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <vector>

#include "transport/base/bytes.hpp"
#include "transport/base/unique_fd.hpp"
#include "transport/link/udp_address.hpp"

namespace qnet::link {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kSegmentBytes = 1200;  // fits every interface
/// All segments equal, and a short last one: the two shapes that broke kernels.
constexpr std::array kBatchBytes{5 * kSegmentBytes, 4 * kSegmentBytes + 77};
/// Loopback delivers before sendto() returns; this is for a machine that is overloaded.
constexpr auto kPatience = std::chrono::milliseconds(100);

struct Endpoint {
  UniqueFd socket;
  core::Address address;
};

std::optional<Endpoint> bind_endpoint(const core::Address& local) {
  const int family = family_of(local);
  const core::Address wanted = is_any(local) ? loopback_of(family) : with_port(local, 0);
  UniqueFd fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || bind(fd.get(), as_sockaddr(wanted), wanted.size_bytes) != 0) return std::nullopt;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return std::nullopt;
  const core::Address address = from_sockaddr(reinterpret_cast<const sockaddr*>(&bound));
  return Endpoint{std::move(fd), address};
}

std::vector<std::byte> pattern(std::size_t size_bytes) {
  std::vector<std::byte> bytes(size_bytes);
  std::uint32_t state = 0x2545f491;
  for (std::byte& byte : bytes) {
    state = state * 1664525 + 1013904223;  // Numerical Recipes' generator: no two segments are alike
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

/// Whether exactly `sent` arrives, cut or not cut at kSegmentBytes.
bool arrives(int receiver, ByteView sent) {
  std::vector<std::byte> buffer(1 << 16);
  std::size_t done = 0;
  const auto until = steady_clock::now() + kPatience;
  while (done < sent.size()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now());
    pollfd waiting{receiver, POLLIN, 0};
    if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) return false;
    const ssize_t got = recv(receiver, buffer.data(), buffer.size(), 0);
    if (got <= 0 || static_cast<std::size_t>(got) > sent.size() - done) return false;
    if (std::memcmp(buffer.data(), sent.data() + done, static_cast<std::size_t>(got)) != 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

bool batches_arrive(const Endpoint& from, const Endpoint& to) {
  for (const std::size_t size_bytes : kBatchBytes) {
    const std::vector<std::byte> batch = pattern(size_bytes);
    const ssize_t sent =
        sendto(from.socket.get(), batch.data(), batch.size(), 0, as_sockaddr(to.address), to.address.size_bytes);
    if (sent != static_cast<ssize_t>(batch.size()) || !arrives(to.socket.get(), batch)) return false;
  }
  return true;
}

bool set(const Endpoint& endpoint, int option, int value) {
  return setsockopt(endpoint.socket.get(), IPPROTO_UDP, option, &value, sizeof value) == 0;
}

}  // namespace

UdpOffloads probe_udp_offloads(const core::Address& local) {
  UdpOffloads offloads;
  const std::optional<Endpoint> from = bind_endpoint(local);
  const std::optional<Endpoint> plain = bind_endpoint(local);
  const std::optional<Endpoint> coalescing = bind_endpoint(local);
  if (!from || !plain || !coalescing || !set(*from, UDP_SEGMENT, kSegmentBytes)) return offloads;
  offloads.can_segment = batches_arrive(*from, *plain);
  offloads.can_coalesce = offloads.can_segment && set(*coalescing, UDP_GRO, 1) && batches_arrive(*from, *coalescing);
  return offloads;
}

}  // namespace qnet::link
