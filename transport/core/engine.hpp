// SPDX-License-Identifier: Apache-2.0
//
// engine.hpp: how do this node and its peers exchange messages reliably over several links? (design D7)
//
// The engine is sans-IO: bytes and a time in, bytes and a next deadline out. It makes no system call, knows no clock
// and no thread, and draws its random numbers from the generator it is given, so that the simulator replays a run from
// its seed. One engine serves all peers of a node; each peer is a Session of its own.
//
//   datagram in ──► on_datagram ─┐                      ┌─► next_event     messages, peers up and down
//   time ─────────► on_time      ├─► sessions, paths ───┤
//   message out ──► send         ┘                      └─► next_transmit  datagrams, in batches of equal size
//
// Threads:  one; the agent's strand, or the simulator.
// Not here: sockets and timers (agent/link_pump.hpp), what a message says (wire/message.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "transport/base/buffer.hpp"
#include "transport/base/clock.hpp"
#include "transport/base/ids.hpp"
#include "transport/base/net_path.hpp"
#include "transport/base/priority.hpp"
#include "transport/base/result.hpp"
#include "transport/core/address.hpp"
#include "transport/core/engine_views.hpp"
#include "transport/core/link_properties.hpp"
#include "transport/core/path_state.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core {

/// Who this node is in this life.
struct LocalNode {
  NodeId id;
  std::string name;
  Incarnation incarnation;
};

/// A message of kPriorityLingering may wait that long for others to share a packet and a wake-up with.
inline constexpr Duration kLingerMax = std::chrono::microseconds(200);

/// Times and bounds; every one is an option of qnetd. Defaults: transport.md 3.6, issue numbers.
struct EngineConfig {
  Duration probe_interval_active = std::chrono::milliseconds(10);
  Duration probe_interval_idle = std::chrono::seconds(1);
  Duration link_dead_after = std::chrono::milliseconds(40);
  Duration call_grace = std::chrono::milliseconds(250);
  Duration session_hold = std::chrono::seconds(10);
  std::size_t peers_max = 256;
  std::size_t connections_max = 65536;             // per session
  std::size_t connection_credit_bytes = 4u << 20;  // start; what a peer may have us hold per connection
  std::size_t session_credit_bytes = 64u << 20;
  std::uint8_t protocol_lowest = wire::kProtocolLowest;  // narrower or wider only in tests
  std::uint8_t protocol_highest = wire::kProtocolHighest;
};

/// Why a session ended or a peer cannot be reached.
enum class DownReason : std::uint8_t {
  kNeverSeen,  ///< no handshake has completed yet
  kSilent,     ///< no link alive for call_grace
  kRefused,    ///< the host answers, no agent listens (ICMP port unreachable)
  kRestarted,  ///< it came back with a new incarnation: what was open is gone
  kGoodbye,    ///< it said so
  kVersion,    ///< no common protocol version
  kRemoved,    ///< taken out of our configuration
};
std::string_view text_of(DownReason reason);

struct PeerUp {
  PeerId peer;
  Incarnation incarnation;
};
/// Calls to this peer fail from now on. The session itself may still come back with the same incarnation within
/// session_hold (then PeerUp follows with that incarnation, and handles are still good).
struct PeerDown {
  PeerId peer;
  Incarnation incarnation;  // of the life that was lost
  DownReason reason;
};
/// That life of the peer is over for good (restart, goodbye, session_hold): everything it had open here is to be
/// closed.
struct PeerGone {
  PeerId peer;
  Incarnation incarnation;
  DownReason reason;  // kSilent, kRefused: session_hold has passed without a sign of it
};
/// One whole message, in order within its connection, delivered once.
struct MessageArrived {
  PeerId peer;
  Incarnation incarnation;
  ConnectionId connection;  // opened by whichever side; see is_own
  bool is_own = false;      // we opened this connection: the message is a reply; else a request
  Priority priority = kPriorityNormal;
  Buffer body;
};
/// This connection is exclusive, its link is down, and another works: what it waits for fails with ENETDOWN. An answer
/// may still come late.
struct ConnectionLost {
  PeerId peer;
  Incarnation incarnation;
  ConnectionId connection;
};
/// The peer has closed a connection that it opened: no more requests will come on it.
struct ConnectionClosed {
  PeerId peer;
  ConnectionId connection;
};
/// A path to the peer works better or worse than before. For whoever watches; nothing has to follow from it.
struct PathChanged {
  PeerId peer;
  LinkId link;
  Address address;
  LinkState was;
  LinkState is;
  PathReason reason;  // kNone when it is up
};
using Event = std::variant<PeerUp, PeerDown, PeerGone, MessageArrived, ConnectionLost, ConnectionClosed, PathChanged>;

/// One or several datagrams to one address: `segment_bytes` each, the last one may be shorter.
struct Transmit {
  LinkId link;
  Address to;
  std::size_t segment_bytes = 0;
  ByteView datagrams;  // valid until the next call of next_transmit()
};

class Engine {
 public:
  using Random = std::function<std::uint64_t()>;

  Engine(LocalNode node, EngineConfig config, Random random);
  ~Engine();

  /// Before the first peer. At most 8 links.
  LinkId add_link(LinkProperties properties);
  /// ENOSPC above peers_max, EEXIST for a second peer of that name. May take the number of a removed one.
  Result<PeerId> add_peer(std::string_view name, Instant now);
  /// Forgets it: PeerDown and PeerGone follow if it was known. Tell it before, with say_goodbye().
  void remove_peer(PeerId peer, Instant now);
  /// A way to a peer: an address of it as seen from our link.
  void add_path(PeerId peer, LinkId link, const Address& address, Instant now);

  void on_datagram(LinkId link, const Address& from, ByteView datagram, Instant now);
  /// Call when deadline() has come; calling earlier or later is harmless.
  void on_time(Instant now);
  /// The kernel says that `to` did not take our datagram: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH,
  /// EMSGSIZE (too long for the way).
  void on_send_error(LinkId link, const Address& to, int error, Instant now);
  /// The machine has noticed a change of this link. With a fault its paths are down at once and are left alone until
  /// the fault has gone; then they have to prove themselves as after any failure.
  void on_link_condition(LinkId link, const LinkCondition& condition, Instant now);

  bool is_up(PeerId peer) const;
  /// 0 while no session exists.
  Incarnation incarnation_of(PeerId peer) const;
  DownReason down_reason_of(PeerId peer) const;

  /// EINVAL if the target names a policy that does not exist or a link that this node does not have.
  Status check_policy(const NodeTarget& target) const;
  /// Opens an ordered stream to the peer. EHOSTDOWN while the peer is not up; ENETDOWN if the policy is exclusive and
  /// its link is known to be down; ENFILE above connections_max. It ends with close_connection() or with its session.
  /// `policy`/`link` are the text behind "~" in the path (empty: loadbalance), EINVAL if they mean nothing here.
  Result<ConnectionId> open_connection(PeerId peer, std::string_view policy, std::string_view link, Instant now);
  void close_connection(PeerId peer, ConnectionId connection, Instant now);

  /// Queues one message, up to wire::kMessageBytesMax; delivered at most once, after earlier messages of the connection
  /// and direction. A connection is answered on its own id by the side that did not open it (`is_own` false).
  /// Errors: EHOSTDOWN no session; ESTALE the session is another life than `incarnation`; ENETDOWN as above.
  /// Memory is bounded by the callers: one request in flight per local connection (agent/local_session.hpp).
  Status send(PeerId peer, Incarnation incarnation, ConnectionId connection, bool is_own, Priority priority,
              Buffer body, Instant now);

  /// Tells one peer that this node leaves it; call next_transmit() until it is empty afterwards.
  void say_goodbye(PeerId peer, Instant now);
  /// The same for all peers, before the end.
  void say_goodbye(Instant now);

  /// Nothing while there is nothing to send or it must wait. Call until empty after every input.
  std::optional<Transmit> next_transmit(Instant now);
  std::optional<Event> next_event();
  /// When on_time() has something to do; nothing if only an input can change that.
  std::optional<Instant> deadline() const;

  const EngineStatistics& statistics() const;
  /// Walks over all connections.
  EngineHoldings holdings() const;
  std::vector<PathView> paths_of(PeerId peer) const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace qnet::core
