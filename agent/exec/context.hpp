// SPDX-License-Identifier: Apache-2.0
//
// context.hpp: what does the code of an operation work with?
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/exec/handle_table.hpp"
#include "agent/exec/job.hpp"
#include "agent/exec/lock_table.hpp"
#include "agent/exec/waiter.hpp"
#include "agent/exec/worker_pool.hpp"

namespace qnet::exec {

/// What all operations share. Any thread.
struct Context {
  explicit Context(ExecutorConfig c)
      : config(std::move(c)), handles(config.handles_max, config.caller_handles_max), locks(config.handles_max) {}

  const ExecutorConfig config;
  FileKey root;                  // this node's root directory …
  std::uint64_t root_mount = 0;  // … and its mount, 0 where the kernel does not tell
  HandleTable handles;
  LockTable locks;
  /// Ends what waits for a handle that is closed.
  std::function<void(const ClientLife& client, HandleId handle)> end_waits;
  std::unique_ptr<Waiter> waiter;
  std::unique_ptr<WorkerPool> pool;
};

/// One run of one job, on the thread that runs it.
struct Call {
  Context& context;
  const JobPointer& job;
  Buffer redirect = {};              // the encoded RedirectReply, when an operation says kRedirected
  bool is_handle_gone = false;       // failed with ESTALE because the handle that a path is relative to is not known
  bool is_over_users_limit = false;  // failed with EMFILE because of the user's own limit

  const wire::Caller& caller() const { return job->request.caller; }
  HandleId handle() const { return HandleId{job->request.header.handle}; }
  HandleId second_handle() const { return HandleId{job->request.header.second_handle}; }
  /// The open file that the request is about. Errors: EBADF without a handle; see HandleTable::find().
  Result<OpenFilePointer> file() const {
    if (handle().is_none()) return fail(EBADF, "exec: no handle");
    return context.handles.find(*job->client, handle());
  }
  /// Before waiting for `file`: a Close from now on ends the wait. Errors: EINTR when it came already.
  Status may_wait_for(const OpenFilePointer& file) const {
    mark_waiting(*job, file);
    if (!context.handles.find(*job->client, handle())) return fail(EINTR, "exec: closed meanwhile");
    return {};
  }
};

/// Waiting for a lock or another process on this thread: others get one if they need it, and cancel() ends it.
class LongWait {
 public:
  explicit LongWait(Call& call) : pool_(*call.context.pool), has_room_(pool_.enter_blocking()) {}
  ~LongWait() {
    if (has_room_) pool_.leave_blocking();
  }
  LongWait(const LongWait&) = delete;

  /// False: too many wait already, this one must not.
  bool has_room() const { return has_room_; }

 private:
  WorkerPool& pool_;
  const bool has_room_;
};

}  // namespace qnet::exec
