// SPDX-License-Identifier: Apache-2.0
#include "agent/first_look.hpp"

#include "transport/base/check.hpp"

namespace qnet::agent {
namespace {

constexpr std::uint32_t kEvents = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;

}  // namespace

FirstLook::FirstLook(Reactor& reactor) : reactor_(reactor), set_(epoll_create1(EPOLL_CLOEXEC)) {
  QNET_CHECK(static_cast<bool>(set_));
  QNET_CHECK(reactor_.watch(set_.get(), EPOLLIN, *this).has_value());
  reactor_.look_first(*this);
}

FirstLook::~FirstLook() {
  reactor_.forget(set_.get(), *this);
}

Status FirstLook::watch(int fd, Watcher& watcher) {
  epoll_event event{.events = kEvents, .data = {.ptr = &watcher}};
  if (epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
  return {};
}

void FirstLook::again(int fd, Watcher& watcher) {
  epoll_event event{.events = kEvents, .data = {.ptr = &watcher}};
  QNET_CHECK(epoll_ctl(set_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void FirstLook::forget(int fd, Watcher& watcher) {
  QNET_CHECK(epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
  for (int i = 0; i < batch_count_; ++i) {
    epoll_event& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &watcher) event.data.ptr = nullptr;
  }
}

void FirstLook::on_ready(std::uint32_t) {
  for (int batches = 0; batches < kBatchesMax; ++batches) {
    batch_count_ = epoll_wait(set_.get(), batch_.data(), kBatchMax, 0);
    const bool is_last = batch_count_ < kBatchMax;
    for (int i = 0; i < batch_count_; ++i) {
      auto* watcher = static_cast<Watcher*>(batch_[static_cast<std::size_t>(i)].data.ptr);
      if (watcher != nullptr) watcher->on_ready(batch_[static_cast<std::size_t>(i)].events);
    }
    batch_count_ = 0;
    if (is_last) return;
  }
}

}  // namespace qnet::agent
