// SPDX-License-Identifier: Apache-2.0
//
// fuse_watchdog.hpp: what if the agent is stopped while the kernel waits for its answer?
//
// Who waits for an answer of FUSE cannot be killed, so a stopped agent (SIGSTOP, a debugger) would leave processes
// behind that nobody can end. A process of the agent's own sleeps beside it and holds the same /dev/fuse: once the
// agent has been stopped for the call grace, it answers in its place with ENONET, as long as that lasts. What must not
// get lost (the release of files, the end of locks) it keeps for the agent. It ends with the agent. While there is no
// kernel descriptor it does not run at all.
//
// Not covered: the microseconds between the agent's read of a request and its note of it.
//
// Threads:  note(), forget(), count_file() any; one process of its own.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "transport/base/clock.hpp"
#include "transport/base/result.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {

class FuseWatchdog {
 public:
  /// Starts the process. `patience`: how long the agent may be stopped.
  static Result<FuseWatchdog> start(int device, Duration patience);
  ~FuseWatchdog();
  FuseWatchdog(FuseWatchdog&&) = default;
  FuseWatchdog& operator=(FuseWatchdog&&) = delete;

  /// Requests that were taken in the agent's place and are still its business: one whole request a message.
  int kept_requests() const { return kept_.get(); }

  /// A request is in the agent's hands, or no longer.
  void note(std::uint64_t unique);
  void forget(std::uint64_t unique);
  /// There is one kernel file more (1) or less (-1).
  void count_file(int change);

 private:
  /// Shared by both processes. Requests in the agent's hands; those beyond are not watched.
  struct Board {
    static constexpr std::size_t kSlots = 1024, kProbesMax = 8;
    std::atomic<std::uint32_t> files;  // a futex
    std::array<std::atomic<std::uint64_t>, kSlots> uniques;

    /// A slot that holds `wanted` (0: a free one) near the place of `unique`.
    std::atomic<std::uint64_t>* find(std::uint64_t unique, std::uint64_t wanted);
  };
  struct Unmap {
    void operator()(Board* board) const;
  };
  class Watch;

  FuseWatchdog(std::unique_ptr<Board, Unmap> board, UniqueFd kept, int process)
      : board_(std::move(board)), kept_(std::move(kept)), process_(process) {}

  std::unique_ptr<Board, Unmap> board_;
  UniqueFd kept_;
  int process_;
};

}  // namespace qnet::agent
