// SPDX-License-Identifier: Apache-2.0
//
// link_pump.hpp: how do the links' descriptors drive the sans-IO engine?
//
// Datagrams in: at most kReceiveBurstMax calls per link and wake-up, so that one busy link cannot starve the rest.
// Datagrams out: flush() sends what the engine wants sent. A link whose socket is full keeps a small backlog of its
// own, so that the other links go on; beyond kBacklogBytesMax nothing more is taken from the engine until it drains.
// Carrier and addresses: each link is looked at when the kernel has news of interfaces or refuses to send, so that the
// engine leaves a link that cannot work at once, and tries one that can again.
//
// Threads:  the strand.
// Not here: time (the Reactor's deadline), what a message says.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/reactor.hpp"
#include "transport/core/engine.hpp"
#include "transport/link/interface_news.hpp"
#include "transport/link/link_driver.hpp"

namespace qnet::agent {

class LinkPump {
 public:
  static constexpr int kReceiveBurstMax = 16;
  static constexpr int kTransmitBurstMax = 64;
  static constexpr int kLastBurstsMax = 64;
  static constexpr std::size_t kBacklogBytesMax = 64 << 10;
  /// A link whose sends fail is looked at that often at most.
  static constexpr Duration kLookInterval = std::chrono::milliseconds(5);

  LinkPump(Reactor& reactor, core::Engine& engine) : reactor_(reactor), engine_(engine) {}
  ~LinkPump();

  /// Adds the link to the engine and begins to receive. `properties` says what is configured; the driver, what it can.
  Result<LinkId> add(core::LinkProperties properties, std::unique_ptr<link::LinkDriver> driver);

  /// Looks at the links from now on whenever something changes on this machine. Without it only failing sends tell.
  Status watch_interfaces();

  /// Sends until the engine has nothing more, the sockets are full or the burst is over; the last gives true: come back
  /// soon.
  bool flush(Instant at);
  /// The same for kLastBurstsMax bursts: enough for a goodbye to every peer on every link.
  void flush_all(Instant at);

  std::size_t size() const { return ports_.size(); }
  std::optional<LinkId> find(std::string_view name) const;
  const std::string& name_of(LinkId link) const { return ports_[link.value]->name; }
  const link::LinkDriver& driver_of(LinkId link) const { return *ports_[link.value]->driver; }
  std::uint64_t blocked_sends() const { return blocked_sends_; }
  /// What waits because the link's socket is full.
  std::size_t backlog_bytes(LinkId link) const { return ports_[link.value]->backlog_bytes; }

 private:
  struct Blocked {
    core::Address to;
    std::size_t segment_bytes = 0;
    std::vector<std::byte> datagrams;
  };
  struct Port final : Watcher {
    void on_ready(std::uint32_t events) override;
    void receive();
    void send(const core::Transmit& transmit);
    void on_send_failed(const core::Address& to, int error);
    void send_backlog();
    /// Tells the engine what has changed.
    void look(Instant at);

    LinkPump* pump = nullptr;
    LinkId id;
    std::string name;
    std::unique_ptr<link::LinkDriver> driver;
    core::LinkCondition condition;
    Instant looked_at{};
    std::deque<Blocked> backlog;
    std::size_t backlog_bytes = 0;
  };

  struct News final : Watcher {
    explicit News(link::InterfaceNews opened) : interfaces(std::move(opened)) {}
    void on_ready(std::uint32_t events) override;

    LinkPump* pump = nullptr;
    link::InterfaceNews interfaces;
  };

  Reactor& reactor_;
  core::Engine& engine_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<News> news_;
  std::uint64_t blocked_sends_ = 0;
};

}  // namespace qnet::agent
