// SPDX-License-Identifier: Apache-2.0
#include "agent/reactor.hpp"

#include <algorithm>
#include <cerrno>

#include "transport/base/check.hpp"

namespace qnet::agent {

Reactor::Reactor(boost::asio::io_context& io) : set_(io), timer_(io) {
  const int set = epoll_create1(EPOLL_CLOEXEC);
  QNET_CHECK(set >= 0);
  set_.assign(set);
}

void Reactor::start(Settle settle) {
  settle_ = std::move(settle);
  is_running_ = true;
  sleep(settle_());
}

void Reactor::stop() {
  is_running_ = false;
  timer_.cancel();
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

int Reactor::wait(Duration timeout) {
  const std::int64_t ns = timeout.count();
  const timespec span{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  const int count = epoll_pwait2(set_.native_handle(), batch_.data(), kBatchMax, &span, nullptr);
  if (count >= 0 || errno != ENOSYS) return count;
  const auto rounded_up_ms = static_cast<int>((ns + 999'999) / 1'000'000);
  return epoll_wait(set_.native_handle(), batch_.data(), kBatchMax, rounded_up_ms);
}

void Reactor::dispatch(int count) {
  batch_count_ = std::max(count, 0);
  const auto serve = [this](epoll_event& event) {
    auto* watcher = static_cast<Watcher*>(event.data.ptr);
    if (watcher == nullptr) return;
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
}

void Reactor::burst() {
  const Instant started = now();
  Instant busy_at = started;
  Duration timeout{0};
  while (is_running_) {
    const int count = wait(timeout);
    const bool was_interrupted = count < 0;
    dispatch(count);
    const std::optional<Instant> deadline = settle_();
    if (!is_running_) return;

    const Instant at = now();
    if (count > 0) busy_at = at;
    if (was_interrupted || at - started >= kBurstMax || at - busy_at >= kDwell) return sleep(deadline);
    timeout = busy_at + kDwell - at;
    if (deadline) timeout = std::clamp(*deadline - at, Duration{0}, timeout);
  }
}

void Reactor::sleep(std::optional<Instant> deadline) {
  if (!is_waiting_) {
    is_waiting_ = true;
    set_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
      is_waiting_ = false;
      if (!error && is_running_) burst();
    });
  }
  // A timer that fires too early only settles; moving it later is not worth a system call.
  if (!deadline || (armed_ && *armed_ <= *deadline)) return;
  armed_ = deadline;
  timer_.expires_at(std::chrono::time_point_cast<std::chrono::steady_clock::duration>(*deadline));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || !is_running_) return;
    armed_.reset();
    burst();
  });
}

}  // namespace qnet::agent
