// SPDX-License-Identifier: Apache-2.0
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/benchmarks/measure.hpp"
#include "tests/benchmarks/relay.hpp"

namespace qnet::bench {
namespace {

constexpr int kAppsWaitingMax = 64;
constexpr std::size_t kEventsMax = 32;

RelayHeader header_of(const RelayMessage& message) {
  RelayHeader header;
  std::memcpy(&header, message.data(), sizeof header);
  return header;
}

/// The reply to a request: its header, and bytes that were really touched.
RelayMessage answer(const RelayMessage& request) {
  const RelayHeader header = header_of(request);
  RelayMessage reply(sizeof header + std::min<std::size_t>(header.reply_bytes, kRelayBytesMax), 'r');
  std::memcpy(reply.data(), &header, sizeof header);
  return reply;
}

/// Messages between two threads, with an eventfd as the bell.
class MessageQueue {
 public:
  explicit MessageQueue(int flags) : bell_(check(eventfd(0, flags | EFD_CLOEXEC), "eventfd")) {}
  int bell() const { return bell_; }

  void put(RelayMessage message) {
    {
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
    eventfd_write(bell_, 1);
  }
  bool take(RelayMessage& message) {
    const std::lock_guard lock(mutex_);
    if (messages_.empty()) return false;
    message = std::move(messages_.front());
    messages_.pop_front();
    return true;
  }
  /// Waits if the bell was made to block.
  bool hear() {
    eventfd_t count = 0;
    return eventfd_read(bell_, &count) == 0;
  }

 private:
  const int bell_;
  std::mutex mutex_;
  std::deque<RelayMessage> messages_;
};

/// A thread that might block, as one that executes system calls.
class Worker {
 public:
  Worker() : requests_(0), replies_(EFD_NONBLOCK) {
    std::thread([this] {
      RelayMessage message;
      while (requests_.hear()) {
        while (requests_.take(message)) replies_.put(answer(message));
      }
    }).detach();
  }
  MessageQueue& requests() { return requests_; }
  MessageQueue& replies() { return replies_; }

 private:
  MessageQueue requests_, replies_;
};

class Daemon {
 public:
  explicit Daemon(const RelayDaemonOptions& options)
      : options_(options), epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    const core::Address& own = options.bind;
    udp_ = check(socket(link::family_of(own), SOCK_DGRAM | SOCK_NONBLOCK, 0), "socket");
    check(bind(udp_, link::as_sockaddr(own), own.size_bytes), "bind");
    check(connect(udp_, link::as_sockaddr(options.peer), options.peer.size_bytes), "connect");
    watch(udp_);
    if (!options.local.empty()) listen_at(options.local);
    if (options.has_worker) {
      worker_ = std::make_unique<Worker>();
      watch(worker_->replies().bell());
    }
  }

  [[noreturn]] void run() {
    std::array<epoll_event, kEventsMax> events;
    for (;;) {
      const int count = wait(events.data());
      for (int i = 0; i < count; ++i) serve(events[static_cast<std::size_t>(i)].data.fd);
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    check(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }
  void listen_at(const std::string& path) {
    unlink(path.c_str());
    listener_ = check(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0), "socket");
    const sockaddr_un address = relay_socket(path);
    check(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    check(listen(listener_, kAppsWaitingMax), "listen");
    watch(listener_);
  }
  int wait(epoll_event* events) {
    if (options_.spin_us > 0) {
      const double until = now_us() + static_cast<double>(options_.spin_us);
      do {
        if (const int count = epoll_wait(epoll_, events, kEventsMax, 0)) return count;
      } while (now_us() < until);
    }
    return epoll_wait(epoll_, events, kEventsMax, -1);
  }
  /// A lost message is the app's to notice.
  static void pass_on(int fd, const RelayMessage& message) {
    [[maybe_unused]] const ssize_t sent = send(fd, message.data(), message.size(), MSG_NOSIGNAL);
  }

  void serve(int fd) {
    if (worker_ && fd == worker_->replies().bell()) {
      worker_->replies().hear();
      while (worker_->replies().take(message_)) pass_on(udp_, message_);
    } else if (fd == listener_) {
      if (const int app = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK); app >= 0) watch(app);
    } else {
      receive(fd);
    }
  }
  void receive(int fd) {
    const ssize_t got = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got == 0 && fd != udp_) close(fd);
    if (got < static_cast<ssize_t>(sizeof(RelayHeader))) return;
    message_.assign(buffer_.begin(), buffer_.begin() + got);
    if (fd != udp_) {
      RelayHeader header = header_of(message_);
      header.app = static_cast<std::uint32_t>(fd);
      std::memcpy(message_.data(), &header, sizeof header);
      pass_on(udp_, message_);
    } else if (listener_ >= 0) {
      pass_on(static_cast<int>(header_of(message_).app), message_);
    } else if (worker_) {
      worker_->requests().put(std::move(message_));
    } else {
      pass_on(udp_, answer(message_));
    }
  }

  const RelayDaemonOptions options_;
  const int epoll_;
  int udp_ = -1;
  int listener_ = -1;
  std::unique_ptr<Worker> worker_;
  RelayMessage buffer_ = RelayMessage(sizeof(RelayHeader) + kRelayBytesMax);
  RelayMessage message_;
};

}  // namespace

sockaddr_un relay_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) give_up("--local: too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

void run_relay_daemon(const RelayDaemonOptions& options) {
  Daemon(options).run();
}

}  // namespace qnet::bench
