// SPDX-License-Identifier: Apache-2.0
//
// session.hpp: how do two nodes exchange messages reliably over several links?
//
//   send() ─► SendQueue ─► SendScheduler ─► packet on a Path ─► SentPackets ──┐ acknowledged: forget
//                 ▲                                                           │ lost: again, on whichever path is best
//                 └────────────────────────── on_frame_lost ◄─────────────────┘
//   packet ─► Acknowledger (seen before?) ─► ReceiveQueue (order) ─► MessageArrived
//
// A connection's policy decides which paths carry its frames, sent again or not, in both directions: each request tells
// the policy, and the replies follow it. Acknowledgements take any path; but what came on a path that is down here is
// acknowledged only on that path, so that a path which works in one direction counts as down at both ends.
//
// A peer that asks and does not take the answers is asked to wait: while the replies to it hold more than its session
// credit, its requests stay in the ReceiveQueue, within the credit that was granted.
//
// One session joins one life of this node and one of the peer. Loss of links does not touch it; its end discards all.
// Not here: greeting, and who is up or down (peer.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "transport/core/acknowledger.hpp"
#include "transport/core/connection_table.hpp"
#include "transport/core/context.hpp"
#include "transport/core/path_choice.hpp"
#include "transport/core/send_scheduler.hpp"

namespace qnet::core {

/// What the handshake has found out.
struct SessionTerms {
  PeerId peer;
  Incarnation incarnation;  // of the peer
  std::uint8_t version = 0;
  std::uint32_t token = 0;                    // in packets to the peer
  std::uint64_t connection_credit_bytes = 0;  // granted by the peer
  std::uint64_t session_credit_bytes = 0;
};

class Session final : private FrameSink {
 public:
  /// Recently active: probes stay frequent for this long.
  static constexpr Duration kActiveAfter = std::chrono::milliseconds(200);
  static constexpr std::size_t kBatchSegmentsMax = 64;  // what the kernel takes in one send
  static constexpr std::size_t kBatchBytesMax = 65000;

  /// `paths` belongs to the peer and outlives the session.
  Session(Context& context, Paths& paths, const SessionTerms& terms);

  const SessionTerms& terms() const { return terms_; }
  Result<ConnectionId> open_connection(const Policy& policy, Instant now);
  void close_connection(ConnectionId id);
  Status send(ConnectionId id, bool is_own, Priority priority, Buffer body, Instant now);

  /// `arrival` our path that leads to where the packet came from. False if the packet is malformed or against the
  /// rules.
  bool on_packet(const wire::PacketHeader& header, ByteView payload, const Path& arrival, Instant now);
  bool has_heard_goodbye() const { return has_heard_goodbye_; }

  /// Losses, probes and health of one path. Returns true if the path has just gone down.
  bool on_path_time(Path& path, Instant now);
  /// The path is down: what was on its way there goes out again elsewhere.
  void give_up(Path& path, Instant now);
  /// Exclusive connections whose link stays down.
  void on_time(Instant now);

  /// Fills `staging` (kBatchBytesMax and one datagram) with packets for one path. Nothing when there is nothing to do.
  std::optional<Transmit> next_transmit(MutableBytes staging, Instant now);
  std::optional<Instant> path_deadline(const Path& path, Instant now) const;
  /// When an acknowledgement, or what lingers, must go out.
  std::optional<Instant> output_deadline() const;
  /// When on_time() has something to do.
  std::optional<Instant> deadline() const;
  /// Of messages: waits for a path or for credit.
  std::uint64_t unsent_bytes() const { return unsent_bytes_; }
  /// Adds what this session holds.
  void add_to(EngineHoldings& holdings);

 private:
  struct Notice {  // a CREDIT or CLOSE to be written
    std::uint32_t connection = 0;
    bool is_own = false;
  };
  struct PacketContents {
    std::size_t bytes = wire::PacketHeader::kBytes;
    bool must_be_acked = false;
    bool is_probe = false;
  };

  /// What a packet is to carry besides signals.
  struct Load {
    enum class Kind : std::uint8_t { kNothing, kLane, kCopies, kTrial } kind = Kind::kNothing;
    Lane lane = 0;
    bool is_small_only = false;
    std::size_t bytes_max = std::size_t(-1);
    Path* second = nullptr;  // gets a copy of small messages
  };
  /// Where a packet came from.
  struct Arrival {
    std::uint8_t their_path = 0;
    const Path& path;  // ours that leads back
  };

  void on_frame_acked(const FrameRecord& frame) override;
  void on_frame_lost(const FrameRecord& frame) override;

  // session_receive.cpp
  bool apply(const wire::FrameView& view, const Arrival& arrival, std::optional<Duration>& hold_back, Instant now);
  bool apply_data(const wire::DataFrame& frame, const Arrival& arrival, Instant now);
  /// `frame`: a request's DataFrame or CloseFrame.
  template <class Frame>
  void follow_policy(Connection& connection, const Frame& frame, const Arrival& arrival);
  bool apply_ack(const wire::AckFrame& frame, Instant now);
  bool apply_close(const wire::CloseFrame& frame, const Arrival& arrival);
  void apply_credit(const wire::CreditFrame& frame);
  Connection* accept(std::uint32_t id, bool& is_violation);
  void deliver(Connection& connection);
  void deliver_held_back();
  void finish_theirs(Connection& connection);

  // session_send.cpp
  Lanes waiting_lanes() const { return scheduler_.ready() | noticed_ | (is_session_credit_due_ ? 1u : 0u); }
  std::optional<Transmit> send_signals(MutableBytes staging, Instant now);
  std::optional<Transmit> send_lanes(MutableBytes staging, Instant now);
  std::optional<Transmit> send_lane(Lane lane, MutableBytes staging, Instant now);
  std::optional<Transmit> send_copies(MutableBytes staging, Instant now);
  std::optional<Transmit> send_batch(Path& path, const Load& load, MutableBytes staging, Instant now);
  Transmit send_trial(Path& path, MutableBytes staging, Instant now);
  std::size_t write_packet(Path& path, const Load& load, MutableBytes room, Instant now);
  void write_acks(const Path& path, MutableBytes packet, PacketContents& contents, Instant now);
  void write_signals(Path& path, MutableBytes packet, PacketContents& contents);
  void write_notices(Path& path, Lane lane, MutableBytes packet, PacketContents& contents);
  bool write_notice(Path& path, Lane lane, const Notice& notice, MutableBytes packet, PacketContents& contents);
  void write_credit(Path& path, Connection* connection, MutableBytes packet, PacketContents& contents);
  void write_data(Path& path, const Load& load, MutableBytes packet, PacketContents& contents);
  void write_copies(Path& path, MutableBytes packet, PacketContents& contents);
  /// Tells in a request how it is to be answered.
  template <class Frame>
  void put_policy(const Connection& connection, const Path& path, Frame& frame) const;
  FrameRecord put_data(const Path& path, const Connection& connection, const SendQueue::Piece& piece, std::size_t bytes,
                       MutableBytes packet, PacketContents& contents) const;
  std::uint8_t named_path(LinkId link, const Path& used) const;
  bool has_ack_due(Instant now, std::size_t path) const;
  bool lingers(Instant now);
  /// It has something to send that does not linger.
  void press(Connection& connection) {
    scheduler_.enqueue(connection);
    linger_until_.reset();
  }

  /// Keeps reply_bytes_ up to date around a change of `connection.send`.
  template <class Change>
  void change_send(Connection& connection, Change&& change) {
    const std::uint64_t before = connection.send.held_bytes();
    change(connection.send);
    if (!connection.is_own) reply_bytes_ += connection.send.held_bytes() - before;
  }
  void on_timeout(Path& path, Instant now);
  template <class Condition>
  bool is_any_usable(Condition&& condition) const;
  bool is_link_usable(LinkId link) const;
  bool is_known_down(const Policy& policy, Instant now) const;
  /// When calls over that link fail; nothing while it works, or has been told.
  std::optional<Instant> verdict_at(LinkId link) const;
  bool is_active(Instant now) const;
  void notice(Connection& connection);
  void set_awaiting(Connection& connection, bool awaits_reply);
  void forget_if_over(Connection& connection);

  Context& context_;
  Paths& paths_;
  SessionTerms terms_;
  ConnectionTable connections_;
  SendScheduler scheduler_;
  std::optional<Instant> linger_until_;  // all that is in scheduler_ may wait that long
  std::array<RingQueue<Notice>, kLanes> notices_;
  Lanes noticed_ = 0;  // whose notices_ are not empty
  SendCredit send_credit_;
  ReceiveCredit receive_credit_;
  bool is_session_credit_due_ = false;
  std::uint64_t reply_bytes_ = 0;                      // held for the peer
  RingQueue<std::uint32_t> held_back_;                 // their connections with requests that wait
  std::array<Acknowledger, kPathsMax> acknowledgers_;  // by the peer's path number
  unsigned acks_pending_ = 0;                          // bit set of acknowledgers_
  std::array<Path*, kLanes> last_path_{};              // of small messages
  Lane last_lane_ = 0;
  unsigned lanes_passed_over_ = 0;  // batches in a row for which others with something to send had to wait
  std::uint64_t unsent_bytes_ = 0;  // in all connections
  unsigned exclusive_links_ = 0;    // bit set: own exclusive connections have been opened
  unsigned lost_links_ = 0;         // bit set: their calls have failed
  std::size_t awaiting_ = 0;        // connections that await a reply
  Instant active_until_{};
  bool has_heard_goodbye_ = false;
};

}  // namespace qnet::core
