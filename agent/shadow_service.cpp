// SPDX-License-Identifier: Apache-2.0
#include "agent/shadow_service.hpp"

#include <fcntl.h>

#include <algorithm>

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

std::optional<UniqueFd> ShadowService::find(const std::string& path) {
  const auto found = std::ranges::find(cached_, path, &Cached::path);
  if (found == cached_.end()) return std::nullopt;
  cached_.splice(cached_.begin(), cached_, found);
  UniqueFd copy(fcntl(found->directory.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return std::nullopt;
  return copy;
}

void ShadowService::make(std::string path, std::uint64_t token) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(path), token});
  }
  has_jobs_.notify_one();
}

void ShadowService::remember(const std::string& path, const UniqueFd& directory) {
  UniqueFd copy(fcntl(directory.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return;
  cached_.push_front({path, std::move(copy)});
  if (cached_.size() > kCachedMax) cached_.pop_back();
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
    Result<UniqueFd> made = shadows_.enter(job.path);
    if (made) completions_.push(job.token, {}, std::move(*made));
    else completions_.push(job.token, {.error = made.error().code, .body = {}});
  }
}

}  // namespace qnet::agent
