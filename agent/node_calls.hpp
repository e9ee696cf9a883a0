// SPDX-License-Identifier: Apache-2.0
//
// node_calls.hpp: how does a request get to the node that executes it, and its reply back to whoever asked?
//
// Every request that leaves a router, and every one that the agent sends of itself, is a call: to the own executor or,
// through the engine, to a peer. A call ends exactly once: with the reply, or with EHOSTDOWN as soon as the peer is
// lost, ENETDOWN if it may use one link only and that is lost, or ESTALE when it is another life; these are marked
// `is_lost`. A reply that nobody waits for is dropped:
// what it opened is closed again at the owner, a lock that it took is let go.
//
// Threads:  the strand. No reply arrives before start() has returned.
// Not here: who may ask for what (router.hpp).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/completion_queue.hpp"
#include "agent/peer_table.hpp"
#include "agent/reply.hpp"
#include "agent/request_table.hpp"
#include "transport/core/engine.hpp"
#include "transport/wire/opcode.hpp"

namespace qnet::agent {

class NodeCalls {
 public:
  using OnReply = std::function<void(NodeReply)>;

  /// What insist() could not deliver yet; more is left to the end of our life.
  static constexpr std::size_t kDeferredMax = 65536;
  /// How soon what the owner had no room for is tried again.
  static constexpr Duration kDeferredRetry = std::chrono::milliseconds(20);

  struct Call {
    NodeRef node;
    Incarnation life;                        // that the call is meant for
    std::optional<ConnectionId> connection;  // to a peer; nothing: the agent's own
    wire::RequestHeader header;              // size_bytes and request are filled in here
    const wire::Caller* caller = nullptr;
    Buffer body;
    OnReply on_reply;
    Priority priority = kPriorityNormal;  // the caller's; kPriorityLingering if nobody waits for it
    std::string_view reason = {};         // for the log: why the agent makes it of itself
  };

  /// A request without a body that the agent owes somebody: Close, ReleaseLocks.
  struct Debt {
    NodeRef node;
    Incarnation life;
    wire::Opcode opcode;
    HandleId handle;
    wire::Caller caller;
    std::string_view reason;  // as in Call; a literal
  };

  struct Statistics {
    std::uint64_t started = 0, lost_with_peer = 0, late_replies = 0, alien_replies = 0, deferred = 0;
  };

  NodeCalls(core::Engine& engine, exec::Executor& executor, CompletionQueue& completions, PeerTable& peers);

  /// The present life of the node, which must be `wanted` unless that is none. Errors: EHOSTDOWN, ESTALE.
  Result<Incarnation> life_of(NodeRef node, Incarnation wanted) const;
  /// Errors: EHOSTDOWN, ESTALE, EAGAIN (too many); on_reply is not called then.
  Result<RequestId> start(Call call, Instant at);
  /// Asks the owner to give up. The call goes on to its reply.
  void cancel(RequestId request, Instant at);
  /// Cancels, and nobody waits any more. The call's connection is no longer its starter's: it is closed here once the
  /// owner has answered, so that a late Open is not lost.
  void abandon(RequestId request, Instant at);

  /// Sends it until the owner has it or that life is over. `on_done` (may be empty: nobody waits for it) is called
  /// once, at the first outcome.
  void insist(const Debt& debt, std::function<void()> on_done, Instant at);

  void on_completion(std::uint64_t token, exec::Reply reply);
  void on_reply_message(core::MessageArrived message, Instant at);
  void on_peer_up(const core::PeerUp& event, Instant at);
  void on_peer_down(const core::PeerDown& event);
  void on_peer_gone(const core::PeerGone& event);
  /// Its calls end with ENETDOWN and are withdrawn by the other links: they are not executed when the link is back.
  void on_connection_lost(const core::ConnectionLost& event, Instant at);

  /// When on_time() has something to do.
  std::optional<Instant> deadline() const { return retry_at_; }
  void on_time(Instant at);

  /// The request as it stands in the log lines of both nodes.
  std::string text_of(RequestId request) const;

  /// A record lock was granted to a request that nobody waits for any more.
  std::function<void(NodeRef node, Incarnation life, std::uint32_t process)> on_late_lock;

  std::size_t in_flight() const { return calls_.size(); }
  const Statistics& statistics() const { return statistics_; }

 private:
  struct Pending {
    NodeRef node;
    Incarnation life;
    ConnectionId connection;  // none: the own executor
    std::uint16_t opcode = 0;
    std::uint32_t process = 0;  // the caller's
    bool owns_connection = false;
    OnReply on_reply;  // empty: abandoned
  };
  /// Takes the body and fills in the header's size.
  Status send(RequestId request, const Pending& pending, Call& call, Instant at);
  void send_cancel(RequestId request, PeerId peer, Incarnation life, ConnectionId connection, Instant at);
  Result<ConnectionId> own_connection(PeerId peer, Incarnation life, Instant at);
  void finish(RequestId request, NodeReply reply, Instant at);
  void lose(RequestId request, int error);
  void undo(const Pending& pending, const NodeReply& reply, Instant at);
  void defer(const Debt& debt);
  void retry_deferred(Instant at);

  core::Engine& engine_;
  exec::Executor& executor_;
  CompletionQueue& completions_;
  PeerTable& peers_;
  RequestTable<Pending> calls_;
  struct OwnConnection {
    Incarnation life;
    ConnectionId connection;
  };
  std::unordered_map<PeerId, OwnConnection> own_connections_;
  std::vector<Debt> deferred_;
  std::optional<Instant> retry_at_;
  Statistics statistics_;
};

}  // namespace qnet::agent
