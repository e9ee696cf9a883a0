// SPDX-License-Identifier: Apache-2.0
//
// peer.hpp: do we have a session with this node, and is it up?
//
//                 hello, or answer to ours          it knows our tag         a path works
//     kUnknown ──────────────────────────► kBound ──────────────► kEstablished ───► PeerUp
//         ▲                                  │ newer tag: bind anew     │
//         └──────────────────────────────────┴──────────────────────────┘  restart, goodbye, session_hold: PeerGone
//
// An established session is replaced only by an answer to our own hello (it repeats our nonce), so that nobody can
// talk us out of it blindly; a hello of a newer life makes us ask. While no path works the session is kept for
// session_hold, and calls fail after call_grace.
// Not here: what happens inside the session (session.hpp).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "transport/core/context.hpp"
#include "transport/core/handshake.hpp"
#include "transport/core/path.hpp"
#include "transport/core/session.hpp"

namespace qnet::core {

class Peer {
 public:
  static constexpr Duration kGreetingFirst = std::chrono::milliseconds(50);
  static constexpr Duration kGreetingMax = std::chrono::seconds(1);
  static constexpr Duration kGreetingMaxUp = std::chrono::milliseconds(400);   // while other paths work
  static constexpr Duration kGreetingProbing = std::chrono::milliseconds(20);  // a path that has begun to answer
  static constexpr Duration kGreetingGap = std::chrono::milliseconds(5);       // whatever asks for a hello

  Peer(Context& context, PeerId id, std::string_view name);

  const std::string& name() const { return name_; }
  const Paths& paths() const { return paths_; }
  bool is_up() const { return is_up_; }
  Incarnation incarnation() const { return session_ ? session_->terms().incarnation : Incarnation{}; }
  DownReason down_reason() const { return down_reason_; }
  /// Null unless established. It may be there while the peer is down: calls fail, but it may come back.
  Session* session() { return state_ == State::kEstablished ? session_.get() : nullptr; }
  std::uint64_t unsent_bytes() const { return session_ ? session_->unsent_bytes() : 0; }
  bool accepts(std::uint32_t token) const { return session_ != nullptr && token == own_token_; }

  void add_path(LinkId link, const Address& address, Instant now);
  void on_hello(const wire::PacketHeader& header, const wire::Hello& hello, LinkId link, const Address& from,
                Instant now);
  /// `header.session` is accepted.
  void on_packet(const wire::PacketHeader& header, ByteView payload, LinkId link, const Address& from, Instant now);
  /// From `from` came a reset, or an error of the kernel about it.
  void on_reset(LinkId link, const Address& from, Instant now);
  void on_send_error(LinkId link, const Address& to, int error, Instant now);
  /// What context_.links says of it has changed.
  void on_link_condition(LinkId link, Instant now);
  void on_time(Instant now);
  /// The whole node stood still for that long.
  void shift(Duration stall, Instant now);
  void say_goodbye();
  /// Adds what is held for this peer.
  void add_to(EngineHoldings& holdings) const {
    if (session_) session_->add_to(holdings);
  }
  /// Ends its session and forgets its paths: nothing more comes from it or goes to it, until revive().
  void remove(Instant now);
  bool is_removed() const { return is_removed_; }
  void revive(std::string_view name);

  std::optional<Transmit> next_transmit(MutableBytes staging, Instant now);
  /// `has_output` next_transmit() has yet to be called: what it will do needs no timer.
  std::optional<Instant> deadline(bool has_output, Instant now) const;

 private:
  enum class State : std::uint8_t { kUnknown, kBound, kEstablished };
  enum class Standing : std::uint8_t { kStale, kSame, kNewer };

  wire::SessionTag own_tag() const { return {context_.node.incarnation.value, epoch_}; }
  Path* find_path(LinkId link, const Address& address);
  Path* learn_path(LinkId link, const Address& address);
  Standing standing_of(const wire::Hello& hello, Instant now) const;
  void bind(const wire::Hello& hello, std::uint8_t version, Instant now);
  void confirm(Path& path, Instant now);
  void update_liveness(Instant now);
  void end_life(DownReason reason, Instant now);
  void begin_epoch();
  void begin_on_all_paths(Instant now);

  bool is_link_well(const Path& path) const { return context_.links[path.link.value].fault == LinkFault::kNone; }
  bool is_greeting(const Path& path) const;
  void greet(Path& path, Instant now);
  void greet_soon(Path& path, Instant now);
  void answer(const wire::PacketHeader& header, const wire::Hello& hello, LinkId link, const Address& to, Instant now);
  void on_path_down(Path& path, Instant now);
  wire::Hello hello_for(const Path* path) const;

  Context& context_;
  PeerId id_;
  std::string name_;
  Paths paths_;

  State state_ = State::kUnknown;
  std::uint32_t epoch_ = 1;
  std::uint32_t own_index_ = 0;
  std::uint32_t own_token_ = 0;  // in packets from the peer
  wire::SessionTag bound_;       // the peer's tag; after a goodbye: nothing up to here is believed
  NodeId bound_node_;
  Instant bound_at_{};
  std::optional<Instant> disbelief_until_;  // after a goodbye
  std::unique_ptr<Session> session_;

  bool is_removed_ = false;
  bool is_up_ = false;
  bool has_been_up_ = false;  // in this session
  DownReason down_reason_ = DownReason::kNeverSeen;
  std::optional<Instant> dead_since_;  // no path works, PeerDown not yet said
  std::optional<Instant> lost_at_;     // PeerDown said, session kept
  bool was_refused_ = false;           // the path that went down last was refused
};

}  // namespace qnet::core
