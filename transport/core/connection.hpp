// SPDX-License-Identifier: Apache-2.0
//
// connection.hpp: what is one connection made of, and when is it over?
//
// Two streams, one per direction. Its opener closes it; both sides then say how many messages their stream had, and the
// connection is forgotten when both ends are reached and acknowledged. A forgotten number never comes back.
#pragma once

#include <cstdint>
#include <optional>

#include "transport/base/ids.hpp"
#include "transport/core/qos_policy.hpp"
#include "transport/core/receive_queue.hpp"
#include "transport/core/send_queue.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core {

struct Connection {
  enum class Turn : std::uint8_t { kNone, kUrgent, kBulk, kNoSessionCredit };

  ConnectionId id;
  bool is_own = false;  // we opened it
  Policy policy;
  SendQueue send;
  ReceiveQueue receive;
  bool awaits_reply = false;  // our last word was a request

  bool is_closed = false;  // our stream has ended
  bool is_close_acked = false;
  bool is_close_due = false;
  std::optional<std::uint32_t> peer_end;  // messages in the peer's stream
  bool is_credit_due = false;
  Lanes noticed_in = 0;       // in whose notices it is; all but that of its policy are out of date
  bool is_held_back = false;  // requests wait until the peer has taken replies

  Turn turn = Turn::kNone;  // SendScheduler's, as what follows
  unsigned level = 0;
  Connection* next = nullptr;
  Connection* previous = nullptr;
  std::size_t turn_bytes = 0;

  wire::Direction sending() const { return is_own ? wire::Direction::kRequest : wire::Direction::kReply; }
  wire::Direction receiving() const { return is_own ? wire::Direction::kReply : wire::Direction::kRequest; }
  bool has_received_all() const { return peer_end && receive.next_message() == *peer_end; }
  bool is_over() const { return is_closed && is_close_acked && send.empty() && has_received_all(); }
};

}  // namespace qnet::core
