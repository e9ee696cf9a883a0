// SPDX-License-Identifier: Apache-2.0
//
// interrupt.hpp: how is a thread got out of a system call that blocks? (design D9)
//
// By a real-time signal whose handler does nothing and does not restart the call. It is blocked outside of a section,
// so that no other system call is ever disturbed. A signal that comes between the last look at `is_cancelled` and the
// system call is lost: so it is sent again until the thread has left (waiter.hpp).
#pragma once

#include <pthread.h>

#include <cerrno>

#include "agent/exec/job.hpp"

namespace qnet::exec {

/// Installs the handler; once per process, any thread.
void prepare_interrupts();
/// Starts a thread that takes no signals but those of its own faults. 0 or an errno.
[[nodiscard]] int start_thread(pthread_t& thread, const char* name, void* (*main)(void*), void* argument);
/// Sends the signal if the job's thread is inside a section. False: it was in none.
bool interrupt(const Job& job);

/// Around system calls of the current thread that cancel() may end.
class BlockingSection {
 public:
  explicit BlockingSection(Job& job);
  ~BlockingSection();
  BlockingSection(const BlockingSection&) = delete;

  /// Repeats `call` (returns -1 and errno on failure) over stray signals; errno is EINTR if the job was cancelled.
  template <class SystemCall>
  auto run(SystemCall call) -> decltype(call()) {
    for (;;) {
      if (job_.is_cancelled.load()) {
        errno = EINTR;
        return -1;
      }
      const auto result = call();
      if (result != -1 || errno != EINTR) return result;
    }
  }

 private:
  Job& job_;
};

}  // namespace qnet::exec
