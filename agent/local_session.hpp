// SPDX-License-Identifier: Apache-2.0
//
// local_session.hpp: what does one local connection say, and what is it told?
//
// Reads requests (the body once, straight into the Buffer that travels on; no second copy of a big write), hands them
// to the host, writes the replies. One request in flight, besides Cancel; whoever breaks that, or sends garbage, is
// cut off. Memory per connection is bounded by one request and one reply, memory per user by CallerLimits: a request
// that is too much is skipped and answered with EAGAIN.
//
//   idle ──request──► busy ──reply() written whole──► idle          any state ──EOF, garbage──► closed
//
// Threads:  the strand.
// Not here: what a request means (router.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>

#include "agent/caller_limits.hpp"
#include "agent/caller_priority.hpp"
#include "agent/connection_set.hpp"
#include "agent/local_handles.hpp"
#include "agent/reactor.hpp"
#include "agent/reply.hpp"
#include "transport/base/unique_fd.hpp"
#include "transport/wire/message.hpp"
#include "transport/wire/opcode.hpp"

namespace qnet::agent {

class LocalSession;

struct LocalRequest {
  wire::RequestHeader header;
  Buffer body;          // behind the target; has room for any envelope in front
  UniqueFd descriptor;  // came along (AdoptHandle)
};

/// Who answers requests. Implemented by the Router.
class SessionHost {
 public:
  /// session.target() is valid until the reply. Answers once with session.reply(), at any time.
  virtual void on_request(LocalSession& session, LocalRequest request) = 0;
  virtual void on_cancel(LocalSession& session, std::uint64_t request) = 0;
  /// Several requests came in one piece: what happened before the second must be looked at.
  virtual void on_pipelined() = 0;
  /// No reply is wanted any more; the session will be destroyed.
  virtual void on_closed(LocalSession& session) = 0;

 protected:
  ~SessionHost() = default;
};

class LocalSession final : public Watcher {
 public:
  /// One recvmsg of this size takes a small request whole.
  static constexpr std::size_t kScratchBytes = 16 << 10;
  static constexpr std::size_t kAdoptedMax = 1024;

  /// `has_closed` becomes true when there is something to bury.
  LocalSession(Reactor& reactor, SessionHost& host, CallerLimits& limits, UniqueFd socket, wire::Caller caller,
               bool& has_closed);
  ~LocalSession();

  Status start();
  void on_ready(std::uint32_t events) override;

  const wire::Caller& caller() const { return caller_; }
  int descriptor() const { return socket_.get(); }
  std::string_view target() const { return target_; }
  bool is_closed() const { return is_closed_; }
  /// It sent what nobody may send.
  bool was_cut_off() const { return was_cut_off_; }

  /// Answers the request in flight; `descriptor` goes along and is closed here.
  void reply(NodeReply reply, UniqueFd descriptor = {});
  void close();

  /// The handles of other users' that this connection has shown to hold.
  bool has_adopted(const HandleKey& key) const { return adopted_.contains(key); }
  void adopt(const HandleKey& key);

  /// The request in flight; kept by the Router.
  struct InFlight {
    std::uint16_t opcode = 0;
    std::uint64_t request = 0;  // the client's number
    NodeRef node;
    Incarnation life;
    RequestId call;  // none: not sent to a node (yet)
    ConnectionId connection;
    std::optional<LocalHandles::Place> place;  // an Open's
  };
  InFlight in_flight;
  ConnectionSet connections;
  CallerPriority priority;

 private:
  ssize_t receive();
  bool consume(ByteView bytes);
  bool begin_message();
  bool finish_message();
  bool admit();
  void answer_refused();
  void release();
  void write_reply();

  Reactor& reactor_;
  SessionHost& host_;
  CallerLimits& limits_;
  UniqueFd socket_;
  const wire::Caller caller_;
  bool& has_closed_;
  bool is_busy_ = false;
  bool is_closed_ = false;
  bool was_cut_off_ = false;
  bool waits_for_room_ = false;

  std::array<std::byte, wire::RequestHeader::kBytes> header_bytes_;
  std::size_t header_filled_ = 0;
  wire::RequestHeader header_;
  Buffer message_;  // target and body of the message that is arriving; empty if it is refused and skipped
  std::size_t message_filled_ = 0;
  bool is_refused_ = false;
  std::optional<std::size_t> held_bytes_;  // of the request that counts in limits_
  UniqueFd received_;
  std::string target_;

  Buffer reply_;
  std::size_t reply_sent_ = 0;
  UniqueFd reply_descriptor_;
  std::unordered_set<HandleKey> adopted_;
};

}  // namespace qnet::agent
