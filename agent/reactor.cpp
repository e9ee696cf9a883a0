// SPDX-License-Identifier: Apache-2.0
#include "agent/reactor.hpp"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>

#include "transport/base/check.hpp"

namespace qnet::agent {

Reactor::Reactor(boost::asio::io_context& io, Duration busy_wait) : set_(io), busy_wait_(busy_wait) {
  const int set = epoll_create1(EPOLL_CLOEXEC);
  QNET_CHECK(set >= 0);
  set_.assign(set);
  timer_.fd = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  QNET_CHECK(static_cast<bool>(timer_.fd));
  // Edge-triggered: setting it anew makes it unread again, so it need never be read.
  QNET_CHECK(watch(timer_.fd.get(), EPOLLIN | EPOLLET, timer_).has_value());
}

void Reactor::Timer::arm(Instant at) {
  if (armed && *armed <= at) return;
  const std::int64_t ns = std::max<std::int64_t>(at.time_since_epoch().count(), 1);  // 0 would switch it off.
  const itimerspec when{.it_interval = {}, .it_value = {.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000}};
  QNET_CHECK(timerfd_settime(fd.get(), TFD_TIMER_ABSTIME, &when, nullptr) == 0);
  armed = at;
}

void Reactor::start(Settle settle) {
  settle_ = std::move(settle);
  is_running_ = true;
  sleep(settle_());
}

void Reactor::stop() {
  is_running_ = false;
  set_.cancel();
}

Status Reactor::watch(int fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  if (epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
  return {};
}

void Reactor::change(int fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  QNET_CHECK(epoll_ctl(set_.native_handle(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Reactor::forget(int fd, Watcher& watcher) {
  QNET_CHECK(epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, fd, nullptr) == 0);
  for (int i = 0; i < batch_count_; ++i) {
    epoll_event& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &watcher) event.data.ptr = nullptr;
  }
}

int Reactor::dispatch(int count) {
  batch_count_ = std::max(count, 0);
  int served = 0;
  const auto serve = [this, &served](epoll_event& event) {
    auto* watcher = static_cast<Watcher*>(event.data.ptr);
    if (watcher == nullptr) return;
    if (watcher != &timer_) ++served;
    const std::uint32_t events = event.events;
    event.data.ptr = nullptr;
    watcher->on_ready(events);
  };

  if (first_ != nullptr) {
    bool was_served = false;
    for (int i = 0; i < batch_count_; ++i) {
      epoll_event& event = batch_[static_cast<std::size_t>(i)];
      if (event.data.ptr != first_) continue;
      serve(event);
      was_served = true;
    }
    // A full batch may have left it out.
    if (!was_served && batch_count_ == kBatchMax) first_->on_ready(0);
  }
  for (int i = 0; i < batch_count_; ++i) serve(batch_[static_cast<std::size_t>(i)]);
  batch_count_ = 0;
  return served;
}

void Reactor::burst() {
  const Instant started = now();
  Instant busy_at = started;
  int timeout_ms = 0;  // The first look must not wait: Asio may have come for something else.
  while (is_running_) {
    const auto look = [this](int wait_ms) {
      return epoll_wait(set_.native_handle(), batch_.data(), kBatchMax, wait_ms);
    };
    int count = timeout_ms == 0 ? 0 : busy_wait_.look_for_a_while([&look] { return look(0); }, now);
    if (count == 0) count = look(timeout_ms);
    if (timeout_ms != 0) busy_wait_.on_event(now());
    const int served = dispatch(count);
    const std::optional<Instant> deadline = settle_();
    if (!is_running_) return;

    const Instant at = now();
    if (served > 0) busy_at = at;
    const bool was_interrupted = count < 0;
    if (was_interrupted || at - started >= kBurstMax || at - busy_at >= kDwell) return sleep(deadline);
    const Instant until = busy_at + kDwell;
    const bool is_due = deadline && *deadline <= at;
    timeout_ms = is_due ? 0 : -1;
    if (!is_due) timer_.arm(deadline ? std::min(*deadline, until) : until);
  }
}

void Reactor::sleep(std::optional<Instant> deadline) {
  if (deadline) timer_.arm(*deadline);
  if (is_waiting_) return;
  is_waiting_ = true;
  set_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    is_waiting_ = false;
    if (!error && is_running_) burst();
  });
}

}  // namespace qnet::agent
