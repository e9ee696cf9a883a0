// SPDX-License-Identifier: Apache-2.0
//
// shadow_service.hpp: how are shadow directories made without holding up the agent?
//
// Making one takes a mkdir and a rmdir per component, each of which may wait for a disk: a thread does it.
//
// Threads:  methods on the strand; make() on its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "agent/completion_queue.hpp"
#include "agent/shadow_directory.hpp"

namespace qnet::agent {

class ShadowService {
 public:
  ShadowService(ShadowDirectory shadows, CompletionQueue& completions);
  ~ShadowService();

  /// It comes as the completion `token`, with the descriptor or an error. The caller bounds how many.
  void make(std::string path, HandleId handle, std::uint64_t token);

 private:
  struct Job {
    std::string path;
    HandleId handle;
    std::uint64_t token = 0;
  };
  void run(std::stop_token stop);

  ShadowDirectory shadows_;
  CompletionQueue& completions_;
  std::mutex mutex_;
  std::condition_variable_any has_jobs_;
  std::deque<Job> jobs_;
  std::jthread thread_;
};

}  // namespace qnet::agent
