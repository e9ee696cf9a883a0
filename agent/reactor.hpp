// SPDX-License-Identifier: Apache-2.0
//
// reactor.hpp: how does one thread wait for many descriptors and one deadline, at one system call per wake-up?
//
// Boost.Asio owns the thread. Descriptors on the way of a request live in an epoll set of their own, which is one
// descriptor to Asio. While there is traffic the thread stays in that set (a burst): one epoll_wait per wake-up, where
// Asio needs an epoll_ctl as well. After kDwell without an event, or kBurstMax at the latest, it goes back to Asio,
// which serves signals. The deadline is a timerfd in the set that is left alone as long as it is early enough: a
// timeout of each wait would have the kernel set and cancel a timer each time. A byte there and back over a
// socketpair, on one busy CPU, medians: 12.6 µs so, 13.9 with a timeout, 14.6 with epoll_ctl besides.
//
// Threads:  one, that of the io_context.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "agent/busy_wait.hpp"
#include "transport/base/clock.hpp"
#include "transport/base/result.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {

inline Instant now() {
  return std::chrono::steady_clock::now();
}

/// Something that has a descriptor in a Reactor.
class Watcher {
 public:
  /// `events`: EPOLL*, level-triggered unless EPOLLET was asked for. May call forget() on itself or on others.
  virtual void on_ready(std::uint32_t events) = 0;

 protected:
  ~Watcher() = default;
};

class Reactor {
 public:
  /// Called after each batch of events and when the deadline has come: does all work that is due, returns the next
  /// deadline.
  using Settle = std::function<std::optional<Instant>()>;

  static constexpr Duration kDwell = std::chrono::milliseconds(5);
  static constexpr Duration kBurstMax = std::chrono::milliseconds(20);
  static constexpr int kBatchMax = 64;

  /// `busy_wait`: for how long it looks for the next event before it sleeps (busy_wait.hpp).
  explicit Reactor(boost::asio::io_context& io, Duration busy_wait = {});

  void start(Settle settle);
  void stop();
  /// Work was made outside of on_ready(): does what is due. Not from inside on_ready() or Settle.
  void wake() { sleep(settle_()); }

  Status watch(int fd, std::uint32_t events, Watcher& watcher);
  void change(int fd, std::uint32_t events, Watcher& watcher);
  /// No event of this descriptor is delivered any more, not even from the batch in progress. Before close(fd).
  void forget(int fd, Watcher& watcher);

  /// This watcher is served first in every batch: what it reports happened before any other event of the batch was
  /// caused by the same program.
  void look_first(Watcher& watcher) { first_ = &watcher; }

 private:
  struct Timer final : Watcher {
    void on_ready(std::uint32_t) override { armed.reset(); }
    /// Fires at `at` or before.
    void arm(Instant at);

    UniqueFd fd;
    std::optional<Instant> armed;
  };

  /// How many events, besides the timer's, were served.
  int dispatch(int count);
  void burst();
  void sleep(std::optional<Instant> deadline);

  boost::asio::posix::stream_descriptor set_;  // the epoll set
  Timer timer_;
  BusyWait busy_wait_;
  bool is_waiting_ = false;
  bool is_running_ = false;
  Settle settle_;
  Watcher* first_ = nullptr;

  std::array<epoll_event, kBatchMax> batch_;
  int batch_count_ = 0;
};

}  // namespace qnet::agent
