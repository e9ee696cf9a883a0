// SPDX-License-Identifier: Apache-2.0
//
// engine_views.hpp: what does an engine let be seen of itself? Shown by `qnet links` and `qnet stats`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "transport/base/clock.hpp"
#include "transport/base/ids.hpp"
#include "transport/core/address.hpp"
#include "transport/core/path_state.hpp"

namespace qnet::core {

struct PathView {
  LinkId link;
  Address address;
  LinkState state = LinkState::kDown;
  bool is_up = false;  // in use: up, or under suspicion
  PathReason reason = PathReason::kNone;
  std::optional<Instant> since;  // when it came into that state; nothing: never in another
  Duration hold{};               // how long it must answer before it is used again; 0 while it is in use
  std::uint64_t downs = 0;       // how often it went down, ever
  bool has_round_trip = false;   // measured at least once
  Duration round_trip{}, variation{};
  std::uint64_t bytes_sent = 0, bytes_received = 0;  // in sessions, since the path is known
  std::uint64_t packets_sent = 0, frames_lost = 0;   // in the present session
  std::uint64_t bytes_per_second = 0;                // what it has delivered lately; 0: unknown
  std::uint64_t in_flight_bytes = 0;                 // sent and not acknowledged
  std::uint64_t in_flight_bytes_max = 0;             // what it is allowed of that
  std::uint64_t unsent_bytes = 0;                    // waits for a path to this peer; the same for all of its paths
};

/// Counters of the engine; only ever grow. Shown by `qnet stats`.
struct EngineStatistics {
  std::uint64_t datagrams_received = 0, datagrams_sent = 0, bytes_received = 0, bytes_sent = 0;
  std::uint64_t datagrams_malformed = 0;  // dropped by the decoder
  std::uint64_t datagrams_corrupt = 0;    // wrong CRC, or none where there must be one
  std::uint64_t datagrams_unknown = 0;    // no such session
  std::uint64_t frames_retransmitted = 0, frames_duplicate = 0;
  std::uint64_t messages_sent = 0, messages_delivered = 0;
  std::uint64_t sessions_opened = 0, sessions_lost = 0;
  std::uint64_t paths_down = 0;        // how often a path went down in a session
  std::uint64_t probe_timeouts = 0;    // a path did not acknowledge in time
  std::uint64_t packets_rescued = 0;   // whose contents were sent again because of that
  std::uint64_t connections_lost = 0;  // exclusive ones whose link stayed down
  std::uint64_t controls_dropped = 0;  // greetings and resets for which there was no room
  std::uint64_t wakes = 0;             // calls of on_time() that had something to do
  std::uint64_t wakes_late_1ms = 0;    // how many of them came later than that: the node got no CPU
  std::uint64_t wakes_late_5ms = 0;    // from here on what was late is not blamed on the links
  std::uint64_t wakes_late_20ms = 0;
  std::uint64_t wakes_late_100ms = 0;
  std::uint64_t wake_latest_us = 0;  // the largest
};

/// What the engine holds at this moment: back to the least when all is quiet, and bounded whatever peers do.
struct EngineHoldings {
  std::size_t sessions = 0;
  std::size_t connections = 0;       // of both sides, lingering ones included
  std::uint64_t received_bytes = 0;  // of messages that are begun and not delivered; bound: the credit granted
  std::uint64_t request_bytes = 0;   // of own messages that are not acknowledged; bound: the callers
  std::uint64_t reply_bytes = 0;     // the same of replies; bound: session credit and what is being executed
  std::size_t packets_unsettled = 0;
  std::size_t notices = 0;  // credit and ends to be told; bound: one per connection and lane
  std::size_t control_packets = 0, events = 0;
};

}  // namespace qnet::core
