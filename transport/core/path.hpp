// SPDX-License-Identifier: Apache-2.0
//
// path.hpp: what do we know about one way to a peer?
//
// A path is a local link and an address of the peer as seen from it. It outlives sessions; what belongs to one session
// only is renewed by begin_session().
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "transport/core/address.hpp"
#include "transport/core/congestion.hpp"
#include "transport/core/context.hpp"
#include "transport/core/datagram_size.hpp"
#include "transport/core/engine.hpp"
#include "transport/core/link_monitor.hpp"
#include "transport/core/rtt_estimator.hpp"
#include "transport/core/sent_packets.hpp"

namespace qnet::core {

using wire::kPathsMax;

/// When do we say hello on this path, and to which hello is an answer an answer?
struct Greeting {
  Instant next{};
  Instant sent_at{};
  Duration interval{};
  std::uint64_t nonce = 0;  // 0: nothing was said in this round
};

struct Path {
  Path(std::uint8_t number, LinkId via, const Address& to, const LinkProperties& properties, MonitorTimes times)
      : id(number),
        link(via),
        address(to),
        can_batch(properties.can_batch),
        has_crc(properties.has_crc),
        monitor(times) {
    limit_datagrams(properties);
  }

  /// Largest UDP payload; also what the 16-bit lengths of packet and frame can tell.
  static constexpr std::size_t kDatagramBytesMax = 65504;
  /// Packets that a probe timeout may send although the cap is reached.
  static constexpr unsigned kRescuePackets = 2;
  static constexpr std::size_t kCopiesMax = 64;
  /// No peer can make us cut messages into smaller pieces.
  static constexpr std::size_t kPeerDatagramBytesLeast = 512;

  std::uint8_t id;
  LinkId link;
  Address address;
  DatagramSize datagram;
  std::size_t peer_datagram_bytes = kDatagramBytesMax;  // what its end of the path carries
  bool can_batch;
  bool has_crc;             // packets carry a CRC, in both directions
  bool is_learned = false;  // from a hello, not from the configuration: may be replaced
  Greeting greeting;
  RttEstimator rtt;
  LinkMonitor monitor;
  LinkState told_state = LinkState::kDown;  // of the last PathChanged

  std::uint64_t bytes_sent = 0, bytes_received = 0;  // of session packets, payload of the link

  Congestion congestion;
  SentPackets sent;
  bool wants_probe = false;
  bool wants_trial = false;  // of a datagram's size
  bool wants_goodbye = false;
  RingQueue<FrameRecord> copies;  // on their way elsewhere, to be sent here as well
  unsigned rescue_packets = 0;
  unsigned timeouts = 0;   // probe timeouts since the last acknowledgement
  Instant timeout_base{};  // of the running probe timeout
  Instant down_since{};

  void limit_datagrams(const LinkProperties& properties) {
    const std::size_t own_bytes = std::min<std::size_t>(properties.datagram_bytes_max, kDatagramBytesMax);
    datagram.limit(std::min(own_bytes, peer_datagram_bytes), !properties.is_size_fixed);
  }

  bool is_at(LinkId via, const Address& to) const { return link == via && address == to; }
  bool may_send() const { return (congestion.can_send() || rescue_packets > 0) && !sent.is_full(); }
  /// Small messages do not wait for the room that bulk leaves.
  bool may_send_small() const { return (congestion.can_send_small() || rescue_packets > 0) && !sent.is_full(); }

  std::optional<Instant> timeout_at() const {
    if (sent.outstanding() == 0 || !monitor.is_usable()) return std::nullopt;
    return timeout_base + rtt.probe_timeout(timeouts);
  }

  void learn_size(Instant now) { datagram.on_news(sent.take_size_news(), sent.next_number(), now); }

  void begin_session(Instant now) {
    monitor.begin(now);
    congestion = Congestion();
    sent = SentPackets();
    down_since = now;
    forget_plans(now);
  }
  /// What was on its way is given up by the caller. Its rate may be another when it comes back.
  void go_down(Instant now, PathReason fault) {
    monitor.go_down(now, fault);
    congestion = Congestion();
    down_since = now;
    forget_plans(now);
  }
  void forget_plans(Instant now) {
    datagram.on_abandoned(now);
    wants_probe = wants_trial = false;
    copies.clear();
    rescue_packets = 0;
    timeouts = 0;
  }
};

using Paths = std::vector<std::unique_ptr<Path>>;

/// Says so if the path's state is another than the last time.
inline void report_change(Context& context, PeerId peer, Path& path) {
  if (path.told_state == path.monitor.state()) return;
  context.emit(PathChanged{.peer = peer,
                           .link = path.link,
                           .address = path.address,
                           .was = path.told_state,
                           .is = path.monitor.state(),
                           .reason = path.monitor.reason()});
  path.told_state = path.monitor.state();
}

}  // namespace qnet::core
