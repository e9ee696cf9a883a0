// SPDX-License-Identifier: Apache-2.0
//
// link_rig.hpp: how does a test send numbered datagrams through a driver and look at what comes out?
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "transport/link/link_driver.hpp"

namespace qnet::link {

using Bytes = std::vector<std::byte>;

/// No two of these are alike, in no place.
inline Bytes make_datagram(std::uint32_t number, std::size_t size_bytes) {
  Bytes bytes(size_bytes);
  std::uint32_t state = number * 2654435761u + 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

/// `count` datagrams of `segment_bytes`, the last one of `tail_bytes`.
inline std::vector<Bytes> make_datagrams(std::uint32_t count, std::size_t segment_bytes, std::size_t tail_bytes) {
  std::vector<Bytes> datagrams;
  for (std::uint32_t i = 0; i < count; ++i) {
    datagrams.push_back(make_datagram(i, i + 1 == count ? tail_bytes : segment_bytes));
  }
  return datagrams;
}

inline Bytes join(const std::vector<Bytes>& datagrams) {
  Bytes batch;
  for (const Bytes& datagram : datagrams) batch.insert(batch.end(), datagram.begin(), datagram.end());
  return batch;
}

/// CRC-32 (IEEE 802.3): names a datagram in a failure message.
inline std::uint32_t crc_of(const Bytes& bytes) {
  std::uint32_t crc = ~0u;
  for (const std::byte byte : bytes) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

inline std::vector<std::uint32_t> crcs_of(const std::vector<Bytes>& datagrams) {
  std::vector<std::uint32_t> crcs;
  for (const Bytes& datagram : datagrams) crcs.push_back(crc_of(datagram));
  return crcs;
}

/// Everything that one driver has handed over.
struct Inbox {
  struct Refusal {
    core::Address to;
    int error = 0;
  };
  std::vector<Bytes> datagrams;
  std::vector<core::Address> senders;
  std::vector<Refusal> refusals;

  /// Receives until `is_enough()` or the limit, which only a failing test reaches.
  template <class Condition>
  bool receive_until(LinkDriver& driver, const Condition& is_enough) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!is_enough()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      pollfd waiting{driver.descriptor(), POLLIN, 0};
      if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) return false;
      receive_once(driver);
    }
    return true;
  }
  bool receive_count(LinkDriver& driver, std::size_t count) {
    return receive_until(driver, [&] { return datagrams.size() >= count; });
  }
  bool receive_once(LinkDriver& driver) {
    return driver.receive(
        4,
        [this](const core::Address& from, ByteView datagram) {
          senders.push_back(from);
          datagrams.emplace_back(datagram.begin(), datagram.end());
        },
        [this](const core::Address& to, int error) {
          refusals.push_back({to, error});
        });
  }
};

}  // namespace qnet::link
