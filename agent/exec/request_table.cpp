// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/request_table.hpp"

namespace qnet::exec {

Status RequestTable::insert(const JobPointer& job) {
  const std::lock_guard lock(mutex_);
  if (jobs_.size() >= requests_max_) return fail(EAGAIN, "requests: requests_max");
  if (!jobs_.emplace(key_of(*job), job).second) return fail(EINVAL, "requests: number in use");
  return {};
}

JobPointer RequestTable::find(ClientId client, std::uint64_t request) const {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(Key{client, request});
  return found == jobs_.end() ? nullptr : found->second;
}

std::vector<JobPointer> RequestTable::collect(const std::function<bool(const Job&)>& is_wanted) const {
  std::vector<JobPointer> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, job] : jobs_) {
    if (is_wanted(*job)) found.push_back(job);
  }
  return found;
}

void RequestTable::answer(Job& job, Reply reply) {
  if (job.is_answered.exchange(true)) return;
  {
    const std::lock_guard lock(mutex_);
    jobs_.erase(key_of(job));
  }
  // Who hears the answer to a Close may rely on it: nothing of an answered job holds the file any more.
  job.wait_mark.reset();
  if (reply.error > 0) failed.fetch_add(1, std::memory_order_relaxed);
  job.on_reply(std::move(reply));
}

}  // namespace qnet::exec
