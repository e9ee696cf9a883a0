// SPDX-License-Identifier: Apache-2.0
//
// shadow_service.hpp: how are shadow directories made without holding up the agent?
//
// Making one takes a mkdir and a rmdir per component, each of which may wait for a disk: a thread does it. Nothing can
// change a deleted directory, so one serves every process that enters the same path: the latest kCachedMax are kept.
//
// Threads:  methods on the strand; make() on its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/completion_queue.hpp"
#include "agent/shadow_directory.hpp"

namespace qnet::agent {

class ShadowService {
 public:
  static constexpr std::size_t kCachedMax = 64;

  ShadowService(ShadowDirectory shadows, CompletionQueue& completions);
  ~ShadowService();

  /// A descriptor of the directory if it is at hand.
  std::optional<UniqueFd> find(const std::string& path);
  /// Otherwise: it comes as the completion `token`, with the descriptor or an error. The caller bounds how many.
  void make(std::string path, std::uint64_t token);
  /// Keeps what came for later.
  void remember(const std::string& path, const UniqueFd& directory);

 private:
  struct Job {
    std::string path;
    std::uint64_t token = 0;
  };
  struct Cached {
    std::string path;
    UniqueFd directory;
  };
  void run(std::stop_token stop);

  ShadowDirectory shadows_;
  CompletionQueue& completions_;
  std::list<Cached> cached_;  // the latest first
  std::mutex mutex_;
  std::condition_variable_any has_jobs_;
  std::deque<Job> jobs_;
  std::jthread thread_;
};

}  // namespace qnet::agent
