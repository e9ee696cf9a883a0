// SPDX-License-Identifier: Apache-2.0
//
// job.hpp: what is one request while it is being executed?
//
// A job is queued, runs on one thread, may wait for readiness and run again, and is answered once. It is shared by the
// table of requests, the queue, the thread and the waiter; `is_cancelled` may be set by any thread at any time, the
// rest belongs to whoever executes it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <optional>

#include "agent/exec/executor.hpp"
#include "agent/exec/identity.hpp"
#include "transport/base/clock.hpp"

namespace qnet::exec {

/// A client as long as somebody works for it. Once gone it gets no handle and no lock any more.
struct ClientLife {
  explicit ClientLife(ClientId client) : id(client) {}

  const ClientId id;
  std::atomic<bool> is_gone = false;
};

struct Job {
  Job(Request r, Executor::OnReply reply, std::shared_ptr<ClientLife> c, Need n)
      : request(std::move(r)), on_reply(std::move(reply)), client(std::move(c)), need(n) {}

  wire::Opcode opcode() const { return static_cast<wire::Opcode>(request.header.opcode); }

  Request request;
  Executor::OnReply on_reply;
  const std::shared_ptr<ClientLife> client;
  const Need need;

  std::atomic<bool> is_cancelled = false;
  std::atomic<bool> is_answered = false;
  /// The thread that may be inside a blocking system call for this job; 0: none (interrupt.hpp).
  std::atomic<pid_t> blocked_thread = 0;

  // What an operation remembers from one run to the next.
  std::function<void()> chore;      // instead of a request: work of the executor itself, not answered
  std::uint64_t parked_as = 0;      // under the waiter's lock; 0: not parked
  std::shared_ptr<void> wait_mark;  // counts it in OpenFile::waiting
  std::size_t progress_bytes = 0;   // of a Write
  std::optional<Instant> deadline;  // of a Poll
  bool is_timed_out = false;
  unsigned passed_over = 0;  // how often others overtook it in the queue
};
using JobPointer = std::shared_ptr<Job>;

/// Codes of an Error that are not an errno: what an operation says instead of an answer.
inline constexpr int kRedirected = -1;  // Call::redirect is the answer
inline constexpr int kParked = -2;      // the waiter has the job: no answer yet

}  // namespace qnet::exec
