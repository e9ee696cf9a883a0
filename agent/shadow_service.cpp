// SPDX-License-Identifier: Apache-2.0
#include "agent/shadow_service.hpp"

#include "agent/blocked_signals.hpp"

namespace qnet::agent {

ShadowService::ShadowService(ShadowDirectory shadows, CompletionQueue& completions)
    : shadows_(std::move(shadows)), completions_(completions) {
  const BlockedSignals blocked;
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

ShadowService::~ShadowService() {
  thread_.request_stop();
  thread_.join();
}

void ShadowService::make(std::string path, HandleId handle, std::uint64_t token) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(path), handle, token});
  }
  has_jobs_.notify_one();
}

void ShadowService::run(std::stop_token stop) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      if (!has_jobs_.wait(lock, stop, [this] { return !jobs_.empty(); })) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    Result<UniqueFd> made = shadows_.enter(job.path, job.handle);
    if (made) completions_.push(job.token, {}, std::move(*made));
    else completions_.push(job.token, {.error = made.error().code == EMFILE ? ENFILE : made.error().code, .body = {}});
  }
}

}  // namespace qnet::agent
