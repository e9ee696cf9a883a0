// SPDX-License-Identifier: Apache-2.0
//
// executor.hpp: what does the owner do with a request? (design D6, D9)
//
// Runs every kOwner operation as its caller and answers once. submit() never blocks: what may block runs on a worker
// thread that has taken on the caller, or waits for readiness. Replies come back on any thread; the agent's shell moves
// them to its strand.
//
// Clients are the lives of other nodes (and of this one): handles, locks and waiting requests belong to a client and go
// with it.
// Not here: who is allowed to name a handle on this node (agent/local_handles.hpp); the network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "transport/base/buffer.hpp"
#include "transport/base/ids.hpp"
#include "transport/base/priority.hpp"
#include "transport/wire/message.hpp"

namespace qnet::exec {

/// One life of a node, as the agent numbers them; 0 is never used.
using ClientId = Id<struct ClientTag, std::uint64_t>;

struct ExecutorConfig {
  std::string prefix = "/net";             // symlinks and ".." that lead there are redirected
  unsigned workers_max = 256;              // threads; blocked ones included
  std::size_t handles_max = 65536;         // above: ENFILE
  std::size_t caller_handles_max = 32768;  // of one user but root; above: EMFILE
  std::size_t requests_max = 65536;        // in flight; above: EAGAIN
};

struct ExecutorStatistics {
  std::uint64_t requests = 0, replies_failed = 0, cancelled = 0;
  std::uint64_t handles_open = 0, handles_opened = 0;
  std::uint64_t workers = 0, identity_changes = 0;
  std::uint64_t locks_held = 0;
};

struct Request {
  ClientId client;
  wire::RequestHeader header;  // handles are this owner's
  wire::Caller caller;
  Buffer body;  // the encoded operation, nothing else
  Priority priority = kPriorityNormal;
};

/// error is an errno of this host, or -1: a redirect, whose encoded RedirectReply is the body.
struct Reply {
  int error = 0;
  Buffer body;                  // encoded reply; has Buffer::kHeadroomBytes in front
  bool is_handle_gone = false;  // ESTALE, because the handle that a path is relative to is not known here
};

class Executor {
 public:
  using OnReply = std::function<void(Reply)>;

  explicit Executor(ExecutorConfig config);
  ~Executor();  // closes every handle, waits for the workers

  /// `on_reply` is called exactly once, possibly before submit() returns, on any thread.
  void submit(Request request, OnReply on_reply);
  /// The request (client and RequestHeader::request name it) is no longer wanted: ends its wait with EINTR.
  bool cancel(ClientId client, std::uint64_t request);
  /// The client is gone: closes its handles, drops its locks, cancels what waits.
  void drop_client(ClientId client);

  ExecutorStatistics statistics() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace qnet::exec
