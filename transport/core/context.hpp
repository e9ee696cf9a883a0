// SPDX-License-Identifier: Apache-2.0
//
// context.hpp: what do all parts of one engine share?
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "transport/core/engine.hpp"
#include "transport/core/ring_queue.hpp"
#include "transport/wire/control.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core {

/// A packet outside of any session, waiting for next_transmit().
struct ControlPacket {
  LinkId link;
  Address to;
  std::size_t size_bytes = 0;
  std::array<std::byte, wire::kHelloBytesMax + wire::kCrcBytes> bytes{};
};

struct Context {
  static constexpr std::size_t kControlPacketsMax = 1024;  // more are dropped: they are all repeated

  LocalNode node;
  EngineConfig config;
  Engine::Random random;
  std::vector<LinkProperties> links;
  EngineStatistics statistics;
  RingQueue<Event> events;
  RingQueue<ControlPacket> control;
  bool is_leaving = false;

  void emit(Event event) { events.push_back(std::move(event)); }
  void send_control(const ControlPacket& packet) {
    if (control.size() < kControlPacketsMax) control.push_back(packet);
    else ++statistics.controls_dropped;
  }
};

/// Header's clock: microseconds, low 32 bits.
inline std::uint32_t timestamp_us(Instant now) {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count());
}

}  // namespace qnet::core
