// SPDX-License-Identifier: Apache-2.0
//
// own_answers.hpp: what does the local agent answer itself? (wire/agent_ops.hpp)
//
// Threads:  the strand.
// Not here: Cancel (router.hpp); the directory /net (net_root.hpp).
#pragma once

#include <functional>
#include <string>

#include "agent/entered_directories.hpp"
#include "agent/event_log.hpp"
#include "agent/kernel_files.hpp"
#include "agent/link_pump.hpp"
#include "agent/local_session.hpp"
#include "agent/peer_table.hpp"
#include "agent/request_table.hpp"
#include "agent/shadow_service.hpp"

namespace qnet::agent {

class OwnAnswers {
 public:
  /// Completions whose token has this bit are ours.
  static constexpr std::uint64_t kTokenBit = RequestTable<int>::kNumberEnd;

  /// `statistics` gives the JSON text of `qnet stats`.
  OwnAnswers(const PeerTable& nodes, const core::Engine& engine, const LinkPump& pump, LocalHandles& handles,
             ShadowService& shadows, EnteredDirectories& entered, KernelFiles& kernel_files, EventLog& events,
             std::function<std::string()> statistics);

  /// The request's opcode is one that where_executed() calls kAgent.
  void answer(LocalSession& session, LocalRequest request);
  void on_completion(CompletionQueue::Completion completion);
  /// Its request is to be given up: answers EINTR if it only waits for events.
  void on_cancel(LocalSession& session);
  /// The session wants no answer any more.
  void on_closed(const LocalSession& session);

 private:
  /// The handle that the request is about, if its descriptor came along. Errors: ENOENT, ESTALE, EACCES.
  Result<HandleKey> shown_handle(const LocalSession& session, const LocalRequest& request) const;
  void adopt_handle(LocalSession& session, const LocalRequest& request);
  void give_kernel_descriptor(LocalSession& session, LocalRequest request);
  void enter_directory(LocalSession& session, LocalRequest request);
  void list_nodes(LocalSession& session);
  void list_links(LocalSession& session);
  void next_events(LocalSession& session, const LocalRequest& request);

  const PeerTable& nodes_;
  const core::Engine& engine_;
  const LinkPump& pump_;
  LocalHandles& handles_;
  ShadowService& shadows_;
  EnteredDirectories& entered_;
  KernelFiles& kernel_files_;
  EventLog& events_;
  const std::function<std::string()> statistics_;
  struct Entering {
    LocalSession* session = nullptr;  // null: closed meanwhile
    EnteredDirectories::Where where;
    UniqueFd end;  // of the handle; none for the list of nodes
  };
  RequestTable<Entering> entering_;  // at most one per session
};

}  // namespace qnet::agent
