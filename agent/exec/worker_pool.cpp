// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/worker_pool.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "agent/exec/interrupt.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::exec {
namespace {

constexpr std::size_t kStartedPerStall = 8;
constexpr unsigned kIdleKept = 2;      // These never leave.
constexpr unsigned kReservedMax = 16;  // Threads that never block for long, so that unlocks get through.

}  // namespace

/// The wake-up is a futex of its own: one system call to wake, none when the thread has not yet gone to sleep.
struct WorkerPool::Worker : std::enable_shared_from_this<Worker> {
  enum : std::uint32_t { kAwake, kNotified, kAsleep };

  Worker(WorkerPool& p, const ThreadIdentity::Powers& powers) : pool(p), identity(powers) {}

  void wake() {
    if (signal.exchange(kNotified) == kAsleep) {
      raw_syscall(SYS_futex, &signal, FUTEX_WAKE_PRIVATE, 1);
    }
  }
  /// False: nobody woke it within kIdleMax.
  bool sleep() {
    std::uint32_t expected = kAwake;
    if (!signal.compare_exchange_strong(expected, kAsleep)) {
      signal.store(kAwake);
      return true;
    }
    const timespec limit = {.tv_sec = std::chrono::seconds(kIdleMax).count(), .tv_nsec = 0};
    long result = 0;
    while (signal.load() == kAsleep && result != -ETIMEDOUT) {
      result = raw_syscall(SYS_futex, &signal, FUTEX_WAIT_PRIVATE, static_cast<std::uint32_t>(kAsleep), &limit);
    }
    return signal.exchange(kAwake) == kNotified;
  }

  WorkerPool& pool;
  ThreadIdentity identity;
  pthread_t thread{};
  JobPointer job;  // handed over; under the pool's lock
  std::atomic<std::uint32_t> signal = kAwake;
  static_assert(sizeof(signal) == 4);
  std::list<std::shared_ptr<Worker>>::iterator self;
};

WorkerPool::WorkerPool(unsigned workers_max, Execute execute, Answer answer, OnQueue on_queue)
    : workers_max_(std::max(workers_max, 2U)),
      blocked_max_(workers_max_ - std::min(workers_max_ / 2, kReservedMax)),
      busy_min_(std::max(4U, 2 * std::thread::hardware_concurrency())),
      execute_(std::move(execute)),
      answer_(std::move(answer)),
      on_queue_(std::move(on_queue)),
      powers_(ThreadIdentity::powers_of_process()) {}

WorkerPool::~WorkerPool() = default;

Status WorkerPool::submit(JobPointer job) {
  bool must_watch = false;
  {
    std::unique_lock lock(mutex_);
    if (is_stopping_) return fail(EINTR, "pool: stopping");
    const auto fitting = find_fitting(*job);
    const bool may_start = fitting == idle_.end() && workers_.size() - blocked_ < busy_min_;
    if (may_start && start_worker(job)) return {};
    if (!idle_.empty()) {
      // Nobody is the caller already: who was idle longest changes.
      const auto chosen = fitting == idle_.end() ? idle_.begin() : fitting;
      const std::shared_ptr<Worker> worker = (*chosen)->shared_from_this();
      idle_.erase(chosen);
      worker->job = std::move(job);
      lock.unlock();
      worker->wake();
      return {};
    }
    if (workers_.empty()) return fail(EAGAIN, "pool: no thread");
    queue_.push(std::move(job));
    must_watch = !std::exchange(is_watched_, true);
    if (must_watch) taken_at_last_look_ = taken_;
  }
  if (must_watch) on_queue_();
  return {};
}

/// Who is the caller already and was idle shortest.
std::vector<WorkerPool::Worker*>::iterator WorkerPool::find_fitting(const Job& job) {
  const auto fits = [&job](Worker* worker) { return worker->identity.fits(job.need, job.request.caller); };
  const auto found = std::find_if(idle_.rbegin(), idle_.rend(), fits);
  return found == idle_.rend() ? idle_.end() : std::prev(found.base());
}

bool WorkerPool::start_worker(JobPointer job) {
  if (is_stopping_ || workers_.size() >= workers_max_) return false;
  join_those_who_left();
  auto owned = std::make_shared<Worker>(*this, powers_);
  Worker* const worker = owned.get();
  worker->job = std::move(job);
  worker->self = workers_.insert(workers_.end(), std::move(owned));

  const int error = start_thread(worker->thread, "qnet-exec", &WorkerPool::thread_main, worker);
  if (error != 0) workers_.erase(worker->self);
  return error == 0;
}

void* WorkerPool::thread_main(void* worker) {
  auto& me = *static_cast<Worker*>(worker);
  me.pool.work(me);
  return nullptr;
}

void WorkerPool::work(Worker& me) {
  JobPointer job;
  {
    const std::lock_guard lock(mutex_);
    job = std::move(me.job);
  }
  while (job) {
    const std::uint64_t changes = me.identity.changes();
    const Status identity = me.identity.become(job->need, job->request.caller);
    identity_changes_.fetch_add(me.identity.changes() - changes, std::memory_order_relaxed);
    std::optional<Reply> reply = execute_(job, identity);
    job = next(me, std::move(job), std::move(reply));
  }
}

/// The answer is given only when the worker can be found idle: the request that follows it at once finds it.
JobPointer WorkerPool::next(Worker& me, JobPointer done, std::optional<Reply> reply) {
  std::unique_lock lock(mutex_);
  JobPointer job = take_from_queue(me);
  const bool must_leave = !job && is_stopping_;
  if (!job && !must_leave) idle_.push_back(&me);
  lock.unlock();

  if (reply) answer_(*done, std::move(*reply));
  done.reset();
  reply.reset();
  if (job) return job;
  if (must_leave && leave(me)) return nullptr;

  for (;;) {
    const bool was_woken = me.sleep();
    lock.lock();
    if (me.job) return std::move(me.job);
    const bool is_unwanted = is_stopping_ || (!was_woken && workers_.size() > kIdleKept);
    lock.unlock();
    if (is_unwanted && leave(me)) return nullptr;
  }
}

JobPointer WorkerPool::take_from_queue(const Worker& me) {
  if (queue_.empty()) return nullptr;
  ++taken_;
  return queue_.take([&me](const Job& job) { return me.identity.fits(job.need, job.request.caller); });
}

/// False: it was given a job at the last moment. Otherwise `me` is no more.
bool WorkerPool::leave(Worker& me) {
  const std::lock_guard lock(mutex_);
  if (me.job) return false;
  std::erase(idle_, &me);
  left_.push_back(me.thread);
  workers_.erase(me.self);  // `me` ends here.
  if (workers_.empty()) all_left_.notify_all();
  return true;
}

std::vector<JobPointer> WorkerPool::withdraw(const std::function<bool(const Job&)>& is_wanted) {
  const std::lock_guard lock(mutex_);
  return queue_.withdraw(is_wanted);
}

bool WorkerPool::enter_blocking() {
  const std::lock_guard lock(mutex_);
  if (blocked_ >= blocked_max_) return false;
  ++blocked_;
  if (!queue_.empty() && start_worker(queue_.front())) {
    ++taken_;
    queue_.pop_front();
  }
  return true;
}

void WorkerPool::leave_blocking() {
  const std::lock_guard lock(mutex_);
  --blocked_;
}

bool WorkerPool::look_for_stall() {
  const std::lock_guard lock(mutex_);
  if (taken_ == taken_at_last_look_) {
    for (std::size_t i = 0; i < kStartedPerStall && !queue_.empty(); ++i) {
      if (!start_worker(queue_.front())) break;
      ++taken_;
      queue_.pop_front();
    }
  }
  taken_at_last_look_ = taken_;
  is_watched_ = !queue_.empty();
  return is_watched_;
}

void WorkerPool::stop() {
  std::unique_lock lock(mutex_);
  is_stopping_ = true;
  for (Worker* worker : idle_) worker->wake();
  all_left_.wait(lock, [this] { return workers_.empty(); });
  join_those_who_left();
}

/// They need no lock any more, only to return.
void WorkerPool::join_those_who_left() {
  for (const pthread_t thread : left_) ::pthread_join(thread, nullptr);
  left_.clear();
}

unsigned WorkerPool::workers() const {
  const std::lock_guard lock(mutex_);
  return static_cast<unsigned>(workers_.size());
}

}  // namespace qnet::exec
