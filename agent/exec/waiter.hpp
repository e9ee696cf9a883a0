// SPDX-License-Identifier: Apache-2.0
//
// waiter.hpp: who waits, so that no thread has to? (design D9)
//
// One thread with an epoll holds the jobs that wait for a descriptor or a moment; a read that waits for an hour costs a
// descriptor. The same thread repeats interrupts until they have worked and watches the pool's queue while there is
// one. Any thread may call; nothing here blocks.
#pragma once

#include <pthread.h>

#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "agent/exec/job.hpp"
#include "transport/base/result.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::exec {

class Waiter {
 public:
  /// The descriptor is ready or the job's deadline has come (is_timed_out): run it again. On the waiter's thread.
  using OnWake = std::function<void(JobPointer)>;
  /// Looks after the pool's queue; returns whether it must be asked again.
  using OnStallCheck = std::function<bool()>;

  Waiter(OnWake on_wake, OnStallCheck on_stall_check);
  ~Waiter();  // after stop()
  /// Ends the thread. Nothing can be parked from now on; what is parked stays so.
  void stop();

  /// Errors: EMFILE, ENOMEM …; EPERM when the descriptor cannot be waited for. `fd` -1: only the deadline. Afterwards
  /// the job belongs to the waiter, unless it was cancelled before: then EINTR.
  [[nodiscard]] Status park(const JobPointer& job, int fd, std::uint32_t poll_events);
  /// Takes a parked job out; the caller answers it. False: it is not parked.
  bool withdraw(Job& job);
  /// Gets the job's thread out of its BlockingSection, now or a little later.
  void interrupt_until_left(const JobPointer& job);
  void watch_queue();

 private:
  struct Parked {
    JobPointer job;
    UniqueFd fd;  // a duplicate: several jobs may wait for one descriptor
  };

  static void* thread_main(void* self);
  void run();
  int wait_ms(Instant now);
  void handle_time(Instant now);
  void handle_event(std::uint64_t id);
  JobPointer take(std::uint64_t id);
  void ring();

  const OnWake on_wake_;
  const OnStallCheck on_stall_check_;
  UniqueFd epoll_;
  UniqueFd bell_;
  pthread_t thread_{};

  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Parked> parked_;
  std::multimap<Instant, std::uint64_t> deadlines_;
  std::vector<JobPointer> interrupted_;
  Duration interrupt_pause_{};
  Instant next_interrupt_{}, next_stall_check_{};
  bool is_watching_queue_ = false;
  bool is_stopping_ = false;
  std::uint64_t last_id_ = 0;
};

}  // namespace qnet::exec
