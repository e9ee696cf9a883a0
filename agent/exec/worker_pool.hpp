// SPDX-License-Identifier: Apache-2.0
//
// worker_pool.hpp: which thread executes this job?
//
// An idle one that already is the caller, else a new one while there are few, else the one that was idle longest, else
// the queue (job_queue.hpp). As many threads work as there is a point in; more are started only when the working ones
// are known to be blocked, or when the queue has not moved for a while. Idle ones leave after kIdleMax.
//
// Any thread may submit. Not here: what a job does (dispatch.hpp); jobs that wait for readiness (waiter.hpp).
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "agent/exec/identity.hpp"
#include "agent/exec/job.hpp"
#include "agent/exec/job_queue.hpp"

namespace qnet::exec {

class WorkerPool {
 public:
  /// Called when there is a queue that must be watched: look_for_stall() every kStallInterval from then on.
  using OnQueue = std::function<void()>;
  /// Executes the job on a thread that is the caller, or could not become it. Nothing: it is answered by others.
  using Execute = std::function<std::optional<Reply>(const JobPointer& job, Status identity)>;
  using Answer = std::function<void(Job& job, Reply reply)>;

  static constexpr auto kStallInterval = std::chrono::milliseconds(5);
  static constexpr auto kIdleMax = std::chrono::seconds(10);

  WorkerPool(unsigned workers_max, Execute execute, Answer answer, OnQueue on_queue);
  ~WorkerPool();  // after stop()

  /// Errors: EAGAIN when not even one thread can be had.
  [[nodiscard]] Status submit(JobPointer job);
  /// Takes the queued jobs out for which `is_wanted` holds; the caller answers them.
  std::vector<JobPointer> withdraw(const std::function<bool(const Job&)>& is_wanted);
  /// The current job of this thread is going to block for long: others may need a thread. False, and nothing to leave:
  /// so many do already that those who could free them might find no thread.
  [[nodiscard]] bool enter_blocking();
  void leave_blocking();
  /// Starts threads if the queue has not moved since the last look. Returns whether there is still a queue.
  bool look_for_stall();
  /// No new threads; every worker leaves after its job. The caller withdraws and interrupts; returns when all have
  /// left.
  void stop();

  unsigned workers() const;
  std::uint64_t identity_changes() const { return identity_changes_.load(std::memory_order_relaxed); }

 private:
  struct Worker;

  static void* thread_main(void* worker);
  void work(Worker& me);
  JobPointer next(Worker& me, JobPointer done, std::optional<Reply> reply);
  JobPointer take_from_queue(const Worker& me);
  std::vector<Worker*>::iterator find_fitting(const Job& job);
  bool start_worker(JobPointer job);
  bool leave(Worker& me);
  void join_those_who_left();

  const unsigned workers_max_;
  const unsigned blocked_max_;
  const unsigned busy_min_;
  const Execute execute_;
  const Answer answer_;
  const OnQueue on_queue_;
  const ThreadIdentity::Powers powers_;

  mutable std::mutex mutex_;
  std::condition_variable all_left_;
  std::list<std::shared_ptr<Worker>> workers_;
  std::vector<unsigned long> left_;  // threads that are about to end
  std::vector<Worker*> idle_;        // longest idle first
  JobQueue queue_;
  unsigned blocked_ = 0;
  std::uint64_t taken_ = 0, taken_at_last_look_ = 0;
  bool is_watched_ = false;
  bool is_stopping_ = false;
  std::atomic<std::uint64_t> identity_changes_ = 0;
};

}  // namespace qnet::exec
