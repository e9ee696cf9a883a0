// SPDX-License-Identifier: Apache-2.0
//
// owner_service.hpp: what happens to a request that another node sends?
//
// Envelope off, to the executor in the caller's name, the reply back on the same connection. Callers are believed as
// their agent says (--trusted). When a life of a peer is over, everything that it has here goes with it.
//
// Threads:  the strand.
// Not here: the operations themselves (agent/exec).
#pragma once

#include <cstdint>
#include <string>

#include "agent/caller_limits.hpp"
#include "agent/completion_queue.hpp"
#include "agent/peer_table.hpp"
#include "agent/reply.hpp"
#include "agent/request_table.hpp"
#include "agent/withdrawn_requests.hpp"
#include "transport/core/engine.hpp"

namespace qnet::agent {

class OwnerService {
 public:
  /// Completions whose token has this bit are ours, the others NodeCalls'.
  static constexpr std::uint64_t kTokenBit = 2 * RequestTable<int>::kNumberEnd;

  struct Statistics {
    std::uint64_t requests = 0, malformed = 0, replies_undeliverable = 0;
  };

  OwnerService(core::Engine& engine, exec::Executor& executor, CompletionQueue& completions, PeerTable& peers,
               CallerLimitsConfig limits);

  void on_request(core::MessageArrived message, Instant at);
  void on_completion(std::uint64_t token, exec::Reply reply, Instant at);
  void on_peer_gone(const core::PeerGone& event);

  std::size_t in_flight() const { return serving_.size(); }
  const CallerLimits& limits() const { return limits_; }
  const Statistics& statistics() const { return statistics_; }

 private:
  struct Serving {
    PeerId peer;
    Incarnation life;
    ConnectionId connection;
    Priority priority = 0;
    std::uint16_t opcode = 0;
    std::uint64_t request = 0;
    std::uint32_t user = 0;
    std::size_t held_bytes = 0;  // of the request and its reply, in limits_
  };

  std::string text_of(const Serving& serving) const;
  /// Counts the request; EAGAIN if its caller has too much under way.
  Status admit(Serving& serving, std::size_t request_bytes, ByteView body);
  void reply(const Serving& to, NodeReply reply, Instant at);
  void close_again(const Serving& opened_for, std::uint64_t handle);

  core::Engine& engine_;
  exec::Executor& executor_;
  CompletionQueue& completions_;
  PeerTable& peers_;
  RequestTable<Serving> serving_;
  WithdrawnRequests withdrawn_;
  CallerLimits limits_;
  Statistics statistics_;
};

}  // namespace qnet::agent
