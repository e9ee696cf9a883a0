// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/loopback_tap.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstring>

namespace qnet::test {
namespace {

constexpr std::size_t kPacketBytesMax = 1 << 16;
constexpr int kEarBytes = 16 << 20;

}  // namespace

std::optional<LoopbackTap> LoopbackTap::open(std::uint16_t port, std::uint16_t other_port) {
  LoopbackTap tap;
  tap.ports_[0] = port;
  tap.ports_[1] = other_port;
  tap.ear_ = UniqueFd(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IP)));
  tap.mouth_ = UniqueFd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!tap.ear_ || !tap.mouth_) return std::nullopt;
  sockaddr_ll loopback{};
  loopback.sll_family = AF_PACKET;
  loopback.sll_protocol = htons(ETH_P_IP);
  loopback.sll_ifindex = static_cast<int>(if_nametoindex("lo"));
  EXPECT_EQ(bind(tap.ear_.get(), reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback), 0);
  static_cast<void>(setsockopt(tap.ear_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kEarBytes, sizeof kEarBytes));
  return tap;
}

std::vector<HeardDatagram> LoopbackTap::take() {
  std::vector<HeardDatagram> heard;
  std::vector<char> packet(kPacketBytesMax);
  for (;;) {
    sockaddr_ll source{};
    socklen_t size = sizeof source;
    const ssize_t got =
        recvfrom(ear_.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&source), &size);
    if (got < 0) return heard;
    if (source.sll_pkttype == PACKET_OUTGOING) continue;  // It comes in as well.
    iphdr ip;
    udphdr udp;
    if (static_cast<std::size_t>(got) < sizeof ip + sizeof udp) continue;
    std::memcpy(&ip, packet.data(), sizeof ip);
    if (ip.protocol != IPPROTO_UDP || ip.ihl != 5) continue;
    std::memcpy(&udp, packet.data() + sizeof ip, sizeof udp);
    const std::uint16_t from = ntohs(udp.source), to = ntohs(udp.dest);
    if ((from != ports_[0] || to != ports_[1]) && (from != ports_[1] || to != ports_[0])) continue;
    heard.push_back({from, to, std::string(packet.data() + sizeof ip + sizeof udp, packet.data() + got)});
  }
}

void LoopbackTap::send(std::uint16_t from, std::uint16_t to, std::string_view bytes) const {
  std::string packet(sizeof(iphdr) + sizeof(udphdr), '\0');
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.ttl = 64;
  ip.protocol = IPPROTO_UDP;
  ip.saddr = ip.daddr = htonl(INADDR_LOOPBACK);
  udphdr udp{};
  udp.source = htons(from);
  udp.dest = htons(to);
  udp.len = htons(static_cast<std::uint16_t>(sizeof udp + bytes.size()));
  std::memcpy(packet.data(), &ip, sizeof ip);  // The kernel fills in length and checksum; UDP does without.
  std::memcpy(packet.data() + sizeof ip, &udp, sizeof udp);
  packet += bytes;
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  static_cast<void>(sendto(mouth_.get(), packet.data(), packet.size(), MSG_DONTWAIT,
                           reinterpret_cast<const sockaddr*>(&target), sizeof target));
}

}  // namespace qnet::test
