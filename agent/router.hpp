// SPDX-License-Identifier: Apache-2.0
//
// router.hpp: is this request for me or for a peer, may it be made, and may it go now?
//
// Checks the target (unknown node ENOENT, meaningless policy EINVAL) and the handles (opened or adopted by this user),
// answers what is the agent's own, and sends the rest on its way. A request that must not go yet is held: while a
// barrier stands, or in the first second of this agent until its peer has been heard of. Bounded: one per connection.
// An Open that succeeded becomes a descriptor here.
//
// Threads:  the strand.
// Not here: the way to the node and back (node_calls.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/barriers.hpp"
#include "agent/handle_keeper.hpp"
#include "agent/local_handles.hpp"
#include "agent/local_session.hpp"
#include "agent/lock_watch.hpp"
#include "agent/net_root.hpp"
#include "agent/node_calls.hpp"
#include "agent/own_answers.hpp"

namespace qnet::agent {

class Router final : public SessionHost {
 public:
  /// How long after its start an agent gives a peer that it has never seen the benefit of the doubt.
  static constexpr Duration kFirstContact = std::chrono::seconds(1);

  struct Parts {
    core::Engine& engine;
    PeerTable& nodes;
    NodeCalls& calls;
    LocalHandles& handles;
    HandleKeeper& keeper;
    LockWatch& locks;
    NetRoot& net_root;
    OwnAnswers& own_answers;
    Barriers& barriers;
    FirstLook& first_look;
  };
  struct Statistics {
    std::uint64_t requests = 0, held = 0, held_too_long = 0, refused_handles = 0, cancelled = 0, opened = 0;
  };

  Router(Parts parts, Duration call_grace);

  void on_request(LocalSession& session, LocalRequest request) override;
  void on_cancel(LocalSession& session, std::uint64_t request) override;
  void on_pipelined() override { parts_.first_look.on_ready(0); }
  void on_closed(LocalSession& session) override;

  void on_peer_up(PeerId peer);
  void on_barrier_lowered();

  /// When on_time() has something to do.
  std::optional<Instant> deadline() const;
  void on_time(Instant at);

  std::size_t holding() const { return held_.size(); }
  const Statistics& statistics() const { return statistics_; }

 private:
  struct Held {
    LocalSession* session = nullptr;
    LocalRequest request;
    NodeRef node;
    bool waits_for_peer = false;
    std::uint64_t barrier = 0;  // the latest that it waits for
    Instant until;
  };

  /// The node, or the error that the request gets.
  Result<NodeRef> find_node(const LocalSession& session, const LocalRequest& request) const;
  /// A wire error, 0 if the session may use every handle that the request names; `life` is that of their owner.
  std::uint16_t check_handles(const LocalSession& session, NodeRef node, const wire::RequestHeader& header,
                              Incarnation& life);
  bool hold(LocalSession& session, NodeRef node, LocalRequest& request, Instant at);
  void forward(LocalSession& session, NodeRef node, LocalRequest request, Instant at);
  Status note_locks(const LocalSession& session, const HandleKey& key, Incarnation life, const LocalRequest& request);
  void on_reply(LocalSession& session, NodeReply reply);
  void reply_open(LocalSession& session, NodeReply reply);
  template <class Condition>
  void release_if(Condition&& condition);

  Parts parts_;
  const Duration call_grace_;
  const Instant started_ = now();
  std::vector<Held> held_;
  Statistics statistics_;
};

}  // namespace qnet::agent
