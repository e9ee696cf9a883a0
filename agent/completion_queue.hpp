// SPDX-License-Identifier: Apache-2.0
//
// completion_queue.hpp: how do replies get from other threads (the executor's above all) to the agent's strand?
//
// A locked list and one eventfd. The eventfd is written only while the strand sleeps, and never by the strand itself,
// so that under load many replies share a wake-up or need none.
//
// Bound: what the executor has in flight (ExecutorConfig::requests_max).
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/exec/executor.hpp"
#include "agent/reactor.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {

class CompletionQueue final : public Watcher {
 public:
  struct Completion {
    std::uint64_t token = 0;
    exec::Reply reply;
    UniqueFd descriptor;
  };

  /// Made on the strand. Errors end the start: descriptors are out.
  explicit CompletionQueue(Reactor& reactor);

  /// Any thread. The token says whose it is (RequestTable::kNumberEnd).
  void push(std::uint64_t token, exec::Reply reply, UniqueFd descriptor = {});

  /// Strand: swaps what has come into `into` (which is empty before). False if nothing has.
  bool take(std::vector<Completion>& into);
  /// Strand, last thing before it waits: from now on a push wakes it. False: something has come meanwhile, do not wait.
  bool may_sleep();

  void on_ready(std::uint32_t) override {}  // Waking up is all: take() is called after every batch.

 private:
  const std::thread::id strand_ = std::this_thread::get_id();
  UniqueFd wake_;
  std::atomic<bool> is_asleep_ = false;
  std::mutex mutex_;
  std::vector<Completion> completions_;
};

}  // namespace qnet::agent
