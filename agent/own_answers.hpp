// SPDX-License-Identifier: Apache-2.0
//
// own_answers.hpp: what does the local agent answer itself? (wire/agent_ops.hpp)
//
// Threads:  the strand.
// Not here: Cancel (router.hpp); the directory /net (net_root.hpp).
#pragma once

#include <functional>
#include <string>

#include "agent/local_session.hpp"
#include "agent/peer_table.hpp"
#include "agent/shadow_directory.hpp"

namespace qnet::agent {

class OwnAnswers {
 public:
  /// `statistics` gives the JSON text of `qnet stats`.
  OwnAnswers(const PeerTable& nodes, LocalHandles& handles, ShadowDirectory& shadows,
             std::function<std::string()> statistics);

  /// The request's opcode is one that where_executed() calls kAgent. Replies at once.
  void answer(LocalSession& session, LocalRequest request);

 private:
  void adopt_handle(LocalSession& session, const LocalRequest& request);
  void enter_directory(LocalSession& session, const LocalRequest& request);
  void list_nodes(LocalSession& session);

  const PeerTable& nodes_;
  LocalHandles& handles_;
  ShadowDirectory& shadows_;
  const std::function<std::string()> statistics_;
};

}  // namespace qnet::agent
