// SPDX-License-Identifier: Apache-2.0
//
// blocked_signals.hpp: how does a thread start that must not take the agent's signals?
#pragma once

#include <csignal>

namespace qnet::agent {

/// Threads that are started while this lives have every signal blocked.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace qnet::agent
