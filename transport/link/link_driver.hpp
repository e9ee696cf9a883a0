// SPDX-License-Identifier: Apache-2.0
//
// link_driver.hpp: what must a link driver provide, and in which context is each method called?
//
// A driver moves datagrams and knows nothing of sessions. All methods are called on the agent's strand and never block.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "transport/base/bytes.hpp"
#include "transport/base/result.hpp"
#include "transport/core/address.hpp"
#include "transport/core/link_properties.hpp"

namespace qnet::link {

struct LinkStatistics {
  std::uint64_t send_calls = 0, receive_calls = 0;
  std::uint64_t send_errors = 0;
  std::uint64_t kernel_drops = 0;  // SO_RXQ_OVFL
};

struct LinkOptions {
  std::size_t mtu_bytes = std::size_t(-1);  // packets are no larger, headers of the driver included
};

class LinkDriver {
 public:
  /// Called for every datagram of a receive() burst; the bytes are valid during the call.
  using OnDatagram = std::function<void(const core::Address& from, ByteView datagram)>;
  /// A datagram to `to` was refused (ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENETDOWN), or a router found
  /// it too long (EMSGSIZE).
  using OnError = std::function<void(const core::Address& to, int error)>;

  virtual ~LinkDriver() = default;

  /// The descriptor that becomes readable when receive() has something to do; owned by the driver.
  virtual int descriptor() const = 0;
  /// What the machine says of the link now: asked at the start, after news of interfaces, and when a send fails. Costs
  /// some system calls. Once a fault has gone, the driver makes use of what the link can now.
  virtual core::LinkCondition condition() = 0;
  virtual bool can_batch() const = 0;

  /// Text after the scheme: "10.71.0.2", "10.71.0.2:8204", "[fe80::1%en0]:8204". EINVAL.
  virtual Result<core::Address> parse_address(const std::string& text) const = 0;
  virtual std::string format_address(const core::Address& address) const = 0;

  /// Hands over at most `burst_max` receive calls' worth of datagrams. Returns true if there may be more.
  virtual bool receive(int burst_max, const OnDatagram& on_datagram, const OnError& on_error) = 0;

  /// Sends the segments; EAGAIN: the socket is full, the caller waits for writability and repeats the call with
  /// the same bytes. Other errors have been counted and the datagrams are lost, which the engine repairs.
  virtual Status send(const core::Address& to, ByteView datagrams, std::size_t segment_bytes) = 0;

  virtual const LinkStatistics& statistics() const = 0;
};

/// `text` as in --link NAME=udp:ADDR[:PORT]: "udp:10.71.0.1", "udp:[::]:8204". EINVAL for an unknown scheme, else what
/// socket(2) and bind(2) say. An address that is not there yet is no error but a fault of the link's condition.
Result<std::unique_ptr<LinkDriver>> make_link_driver(const std::string& text, const LinkOptions& options = {});

}  // namespace qnet::link
