// SPDX-License-Identifier: Apache-2.0
//
// job_queue.hpp: which of the jobs that wait for a thread is next?
//
// By the priority of the caller, with turns for the lower ones (priority.hpp); among equals the first, unless a worker
// that already is the caller of one close behind comes by.
//
// Threads:  under the pool's lock.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <vector>

#include "agent/exec/job.hpp"
#include "transport/base/priority.hpp"

namespace qnet::exec {

class JobQueue {
 public:
  static constexpr unsigned kPassedOverMax = 8;  // Then the first of its level is next, whoever it is.
  static constexpr std::size_t kLookAhead = 16;  // How far a worker looks for a job of its own caller.

  bool empty() const { return turns_.empty(); }
  void push(JobPointer job);
  /// Whoever is next; not when empty.
  const JobPointer& front() const { return levels_[turns_.next()].front(); }
  void pop_front();
  /// The next for a worker whom `fits` the one or other job; null when empty.
  JobPointer take(const std::function<bool(const Job&)>& fits);
  /// Takes out all for which `is_wanted` holds.
  std::vector<JobPointer> withdraw(const std::function<bool(const Job&)>& is_wanted);

 private:
  using Level = std::deque<JobPointer>;

  JobPointer take_from(unsigned level, Level::iterator job);

  std::array<Level, kPriorityLevels> levels_;
  PriorityTurns turns_;
};

}  // namespace qnet::exec
