// SPDX-License-Identifier: Apache-2.0
//
// loopback_tap.hpp: what do two agents on 127.0.0.1 say to each other, and what if somebody says it again?
//
// Hears every UDP datagram between two ports and sends datagrams in the name of any port. Needs root (CAP_NET_RAW).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transport/base/unique_fd.hpp"

namespace qnet::test {

struct HeardDatagram {
  std::uint16_t from = 0;  // ports
  std::uint16_t to = 0;
  std::string bytes;  // several in one, if the sender batched them
};

class LoopbackTap {
 public:
  /// Nothing if this process may not listen.
  static std::optional<LoopbackTap> open(std::uint16_t port, std::uint16_t other_port);

  /// What has been heard and not taken yet.
  std::vector<HeardDatagram> take();
  /// At most 65507 bytes.
  void send(std::uint16_t from, std::uint16_t to, std::string_view bytes) const;

 private:
  UniqueFd ear_, mouth_;
  std::uint16_t ports_[2] = {};
};

}  // namespace qnet::test
