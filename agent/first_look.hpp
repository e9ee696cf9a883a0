// SPDX-License-Identifier: Apache-2.0
//
// first_look.hpp: what must be looked at before any request is executed? (design D2)
//
// Ends of handles (a stray raw write, the last close) and processes that hold locks (their exit). They share one epoll
// set inside the reactor's: the kernel marks it ready while the program's write(2) or exit is still running, so before
// that program, or one that waited for it, can send the next request. The reactor serves it first in each batch, at no
// system call when nothing has happened. One-shot: a watcher that has been served is silent until again().
//
// Threads:  the strand.
#pragma once

#include "agent/reactor.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {

class FirstLook final : public Watcher {
 public:
  static constexpr int kBatchMax = 64;
  static constexpr int kBatchesMax = 16;

  explicit FirstLook(Reactor& reactor);
  ~FirstLook();

  Status watch(int fd, Watcher& watcher);
  void again(int fd, Watcher& watcher);
  void forget(int fd, Watcher& watcher);

  /// Looks now: for a request that was read behind another one in the same batch.
  void on_ready(std::uint32_t events) override;

 private:
  Reactor& reactor_;
  UniqueFd set_;
  std::array<epoll_event, kBatchMax> batch_;
  int batch_count_ = 0;
};

}  // namespace qnet::agent
