// SPDX-License-Identifier: Apache-2.0
//
// request_table.hpp: which requests are in flight, and who has answered?
//
// Any thread. Whoever answers first answers; a request is known here from submit() until its answer.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "agent/exec/job.hpp"

namespace qnet::exec {

class RequestTable {
 public:
  explicit RequestTable(std::size_t requests_max) : requests_max_(requests_max) {}

  /// Errors: EAGAIN when the table is full; EINVAL when the client has a request of that number already.
  [[nodiscard]] Status insert(const JobPointer& job);
  JobPointer find(ClientId client, std::uint64_t request) const;
  std::vector<JobPointer> collect(const std::function<bool(const Job&)>& is_wanted) const;
  /// Answers unless somebody has.
  void answer(Job& job, Reply reply);

  std::atomic<std::uint64_t> failed = 0;  // answers with an errno

 private:
  struct Key {
    ClientId client;
    std::uint64_t request = 0;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const { return key.client.value * 0x9e3779b97f4a7c15U ^ key.request; }
  };
  static Key key_of(const Job& job) { return {job.request.client, job.request.header.request}; }

  const std::size_t requests_max_;
  mutable std::mutex mutex_;
  std::unordered_map<Key, JobPointer, Hash> jobs_;
};

}  // namespace qnet::exec
