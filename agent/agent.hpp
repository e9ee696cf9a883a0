// SPDX-License-Identifier: Apache-2.0
//
// agent.hpp: who owns what in qnetd? (the only composition root)
//
// Members are in the order in which they depend on each other: what is below may use what is above, and goes first.
//
// Threads:  one runs everything here; the Executor has its own, whose replies come back through the CompletionQueue.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/barriers.hpp"
#include "agent/completion_queue.hpp"
#include "agent/config.hpp"
#include "agent/entered_directories.hpp"
#include "agent/event_log.hpp"
#include "agent/first_look.hpp"
#include "agent/handle_keeper.hpp"
#include "agent/kernel_files.hpp"
#include "agent/link_pump.hpp"
#include "agent/local_handles.hpp"
#include "agent/local_server.hpp"
#include "agent/lock_watch.hpp"
#include "agent/net_root.hpp"
#include "agent/node_calls.hpp"
#include "agent/node_identity.hpp"
#include "agent/own_answers.hpp"
#include "agent/owner_service.hpp"
#include "agent/peer_settings.hpp"
#include "agent/peer_table.hpp"
#include "agent/prefix_guard.hpp"
#include "agent/reactor.hpp"
#include "agent/router.hpp"
#include "agent/shadow_service.hpp"

namespace qnet::agent {

/// What must be had before the agent can be built: taken in start order, given back in reverse.
struct Belongings {
  SocketLock socket_lock;
  NodeIdentity identity;
  ShadowDirectory shadows;
  PrefixLink prefix_link;
  std::vector<std::unique_ptr<link::LinkDriver>> drivers;  // in the order of Config::links
};

class Agent {
 public:
  /// Reads the configuration again, for SIGHUP.
  using Reread = std::function<std::optional<Refusal>(Config&)>;

  Agent(const Config& config, Belongings belongings, Reread reread);
  ~Agent();

  /// Resolves the peers, begins to answer, and runs until SIGTERM or SIGINT. A refusal: it could not start.
  std::optional<Refusal> run();

 private:
  std::optional<Refusal> connect_peers();
  void await_reload();
  void reload();
  void mount_kernel_files();
  std::optional<Instant> settle();
  bool run_completions();
  bool run_events(Instant at);
  void on_event(core::Event& event, Instant at);
  void log_path(const core::PathChanged& changed) const;
  void shut_down();
  std::string statistics() const;

  const Config config_;
  const Reread reread_;
  Belongings belongings_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set end_signals_, reload_signal_;
  Reactor reactor_;
  core::Engine engine_;
  LinkPump pump_;
  CompletionQueue completions_;
  ShadowService shadows_;
  FirstLook first_look_;
  PeerTable peers_;
  PeerSettings peer_settings_;
  Barriers barriers_;
  NetRoot net_root_;
  LocalHandles handles_;
  EnteredDirectories entered_;
  std::unique_ptr<exec::Executor> executor_;  // gone first: no completion comes any more
  NodeCalls calls_;
  OwnerService owner_;
  CallerLimits local_limits_;
  HandleKeeper keeper_;
  LockWatch locks_;
  KernelFiles kernel_files_;
  EventLog events_;
  OwnAnswers own_answers_;
  Router router_;
  LocalServer server_;

  std::vector<CompletionQueue::Completion> taken_;  // kept for its capacity
  std::uint64_t settled_ = 0, completions_taken_ = 0;
};

/// Checks the machine and takes what the agent needs; the text says in one line what is wrong.
std::expected<Belongings, Refusal> gather(const Config& config);

}  // namespace qnet::agent
