// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/waiter.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "agent/exec/interrupt.hpp"
#include "agent/exec/worker_pool.hpp"

namespace qnet::exec {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kBell = 0;
constexpr std::uint32_t kPollBits = 0xffff;     // POLL* and EPOLL* are the same numbers there.
constexpr Duration kInterruptPauseFirst = 1ms;  // Doubles up to the longest.
constexpr Duration kInterruptPauseMax = 32ms;
constexpr Duration kWaitMax = 1min;

Instant now_of_host() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Waiter::Waiter(OnWake on_wake, OnStallCheck on_stall_check)
    : on_wake_(std::move(on_wake)),
      on_stall_check_(std::move(on_stall_check)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = kBell}};
  const bool has_bell = epoll_ && bell_ && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bell_.get(), &event) == 0;
  const int error = has_bell ? start_thread(thread_, "qnet-wait", &Waiter::thread_main, this) : errno;
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "the executor's waiter");  // At start: nothing can work.
  }
}

Waiter::~Waiter() = default;

void Waiter::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  ring();
  ::pthread_join(thread_, nullptr);
}

void* Waiter::thread_main(void* self) {
  static_cast<Waiter*>(self)->run();
  return nullptr;
}

Status Waiter::park(const JobPointer& job, int fd, std::uint32_t poll_events) {
  UniqueFd copy;
  if (fd >= 0) {
    copy.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy) return fail_errno("waiter: dup");
  }
  bool is_earliest = false;
  {
    const std::lock_guard lock(mutex_);
    // cancel() sets the flag first and looks here afterwards: one of the two sees the other.
    if (job->is_cancelled.load() || is_stopping_) return fail(EINTR, "waiter: cancelled");
    const std::uint64_t id = ++last_id_;
    if (copy) {
      epoll_event event = {.events = (poll_events & kPollBits) | EPOLLONESHOT, .data = {.u64 = id}};
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, copy.get(), &event) != 0) return fail_errno("waiter: epoll_ctl");
    }
    parked_.emplace(id, Parked{job, std::move(copy)});
    job->parked_as = id;
    if (job->deadline) {
      const auto at = deadlines_.emplace(*job->deadline, id);
      is_earliest = at == deadlines_.begin();
    }
  }
  if (is_earliest) ring();
  return {};
}

/// Under the lock.
JobPointer Waiter::take(std::uint64_t id) {
  const auto found = parked_.find(id);
  if (found == parked_.end()) return nullptr;
  Parked parked = std::move(found->second);
  parked_.erase(found);
  // Not by close(): the registration lives as long as the open file, and that is the handle's.
  if (parked.fd) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, parked.fd.get(), nullptr);
  if (parked.job->deadline) {
    const auto [first, last] = deadlines_.equal_range(*parked.job->deadline);
    const auto at = std::find_if(first, last, [id](const auto& entry) { return entry.second == id; });
    if (at != last) deadlines_.erase(at);
  }
  parked.job->parked_as = 0;
  return std::move(parked.job);
}

bool Waiter::withdraw(Job& job) {
  const std::lock_guard lock(mutex_);
  return job.parked_as != 0 && take(job.parked_as) != nullptr;
}

void Waiter::interrupt_until_left(const JobPointer& job) {
  if (!interrupt(*job)) return;  // In none; the next one looks at is_cancelled first.
  {
    const std::lock_guard lock(mutex_);
    interrupted_.push_back(job);
    interrupt_pause_ = kInterruptPauseFirst;
    next_interrupt_ = now_of_host() + interrupt_pause_;
  }
  ring();
}

void Waiter::watch_queue() {
  {
    const std::lock_guard lock(mutex_);
    is_watching_queue_ = true;
    next_stall_check_ = now_of_host() + WorkerPool::kStallInterval;
  }
  ring();
}

void Waiter::ring() {
  const std::uint64_t one = 1;
  static_cast<void>(::write(bell_.get(), &one, sizeof one));  // EAGAIN: it rings already.
}

/// Under the lock; rounded up, so that a deadline is over when we look.
int Waiter::wait_ms(Instant now) {
  Instant next = now + kWaitMax;
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
  if (!interrupted_.empty()) next = std::min(next, next_interrupt_);
  if (is_watching_queue_) next = std::min(next, next_stall_check_);
  if (next <= now) return 0;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(next - now).count());
}

void Waiter::run() {
  std::array<epoll_event, 64> events;
  for (;;) {
    int timeout_ms = 0;
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) return;
      timeout_ms = wait_ms(now_of_host());
    }
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == kBell) {
        std::uint64_t rings = 0;
        static_cast<void>(::read(bell_.get(), &rings, sizeof rings));
      } else {
        handle_event(id);
      }
    }
    handle_time(now_of_host());
  }
}

void Waiter::handle_event(std::uint64_t id) {
  JobPointer job;
  {
    const std::lock_guard lock(mutex_);
    job = take(id);
  }
  if (job) on_wake_(std::move(job));
}

void Waiter::handle_time(Instant now) {
  std::vector<JobPointer> due;
  bool must_look = false;
  {
    const std::lock_guard lock(mutex_);
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      JobPointer job = take(deadlines_.begin()->second);
      job->is_timed_out = true;
      due.push_back(std::move(job));
    }
    if (!interrupted_.empty() && next_interrupt_ <= now) {
      std::erase_if(interrupted_, [](const JobPointer& job) { return !interrupt(*job); });
      interrupt_pause_ = std::min(2 * interrupt_pause_, kInterruptPauseMax);
      next_interrupt_ = now + interrupt_pause_;
    }
    if (is_watching_queue_ && next_stall_check_ <= now) {
      is_watching_queue_ = false;  // Before the look: a queue that begins behind it asks again.
      must_look = true;
    }
  }
  for (JobPointer& job : due) on_wake_(std::move(job));
  if (must_look && on_stall_check_()) {
    const std::lock_guard lock(mutex_);
    is_watching_queue_ = true;
    next_stall_check_ = now + WorkerPool::kStallInterval;
  }
}

}  // namespace qnet::exec
