// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/job_queue.hpp"

#include <algorithm>

namespace qnet::exec {

void JobQueue::push(JobPointer job) {
  const unsigned level = level_of(job->request.priority);
  levels_[level].push_back(std::move(job));
  turns_.set_waiting(level, true);
}

void JobQueue::pop_front() {
  const unsigned level = turns_.next();
  take_from(level, levels_[level].begin());
}

JobPointer JobQueue::take(const std::function<bool(const Job&)>& fits) {
  if (empty()) return nullptr;
  const unsigned level = turns_.next();
  Level& jobs = levels_[level];
  if (jobs.front()->passed_over >= kPassedOverMax) return take_from(level, jobs.begin());
  const auto end = jobs.begin() + static_cast<std::ptrdiff_t>(std::min(jobs.size(), kLookAhead));
  const auto fitting = std::find_if(jobs.begin(), end, [&fits](const JobPointer& job) { return fits(*job); });
  if (fitting == end || fitting == jobs.begin()) return take_from(level, jobs.begin());
  ++jobs.front()->passed_over;
  return take_from(level, fitting);
}

JobPointer JobQueue::take_from(unsigned level, Level::iterator job) {
  turns_.on_served(level);
  JobPointer taken = std::move(*job);
  levels_[level].erase(job);
  turns_.set_waiting(level, !levels_[level].empty());
  return taken;
}

std::vector<JobPointer> JobQueue::withdraw(const std::function<bool(const Job&)>& is_wanted) {
  std::vector<JobPointer> taken;
  for (unsigned level = 0; level < kPriorityLevels; ++level) {
    Level kept;
    for (JobPointer& job : levels_[level])
      (is_wanted(*job) ? taken.emplace_back() : kept.emplace_back()) = std::move(job);
    levels_[level].swap(kept);
    turns_.set_waiting(level, !levels_[level].empty());
  }
  return taken;
}

}  // namespace qnet::exec
