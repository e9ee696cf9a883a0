// SPDX-License-Identifier: Apache-2.0
#include "transport/link/interface_news.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace qnet::link {
namespace {

/// A burst of news that is longer is continued at the next wake-up.
constexpr int kReadsMax = 64;

}  // namespace

Result<InterfaceNews> InterfaceNews::open() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return fail_errno("netlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("netlink bind");
  return InterfaceNews(std::move(fd));
}

bool InterfaceNews::read() {
  bool has_news = false;
  std::array<std::byte, 8192> buffer;
  for (int count = 0; count < kReadsMax; ++count) {
    if (recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) < 0) {
      if (errno != ENOBUFS) return has_news;  // ENOBUFS: some were lost
    }
    has_news = true;
  }
  return has_news;
}

}  // namespace qnet::link
