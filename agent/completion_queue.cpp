// SPDX-License-Identifier: Apache-2.0
#include "agent/completion_queue.hpp"

#include <sys/eventfd.h>

#include "transport/base/check.hpp"

namespace qnet::agent {

CompletionQueue::CompletionQueue(Reactor& reactor) : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  QNET_CHECK(static_cast<bool>(wake_));
  // Edge-triggered: each write is an event, and the counter need never be read.
  QNET_CHECK(reactor.watch(wake_.get(), EPOLLIN | EPOLLET, *this).has_value());
}

void CompletionQueue::push(std::uint64_t token, exec::Reply reply, UniqueFd descriptor) {
  {
    const std::lock_guard lock(mutex_);
    completions_.push_back({token, std::move(reply), std::move(descriptor)});
  }
  if (std::this_thread::get_id() == strand_ || !is_asleep_.exchange(false)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

bool CompletionQueue::take(std::vector<Completion>& into) {
  is_asleep_ = false;
  const std::lock_guard lock(mutex_);
  completions_.swap(into);
  return !into.empty();
}

bool CompletionQueue::may_sleep() {
  is_asleep_ = true;
  const std::lock_guard lock(mutex_);
  if (completions_.empty()) return true;
  is_asleep_ = false;
  return false;
}

}  // namespace qnet::agent
