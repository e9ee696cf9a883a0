// SPDX-License-Identifier: Apache-2.0
//
// event_log.hpp: what has happened to links and peers lately, and who waits to be told?
//
// Keeps the last kEventsMax events for any number of readers, each of which asks for what is behind the number it has.
// A reader that is slower than that finds a hole in the numbers; it costs nobody anything. One that has everything
// waits.
//
//   link      up, suspect, probing, down        with the reason unless it is up
//   peer      up, lost (and why), restarted
//   session   held: the peer is lost, and may come back with all that is open within session_hold
//             expired: it did not · ended: the peer left, restarted, or was removed
//
// Threads:  the strand.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "agent/link_pump.hpp"
#include "agent/local_session.hpp"
#include "agent/peer_table.hpp"
#include "transport/core/engine.hpp"

namespace qnet::agent {

class EventLog {
 public:
  static constexpr std::size_t kEventsMax = 4096;
  static constexpr std::size_t kEventsPerReply = 256;

  EventLog(const PeerTable& peers, const LinkPump& pump) : peers_(peers), pump_(pump) {}

  /// Of the engine's events those that are worth telling.
  void note(const core::Event& event);
  /// Answers NextEvents, now or when there is something.
  void give(LocalSession& session, std::uint64_t after);
  /// It is not to be answered any more; false if it did not wait.
  bool forget(const LocalSession& session);

  std::uint64_t noted() const { return noted_; }
  std::size_t waiting() const { return readers_.size(); }

 private:
  struct Happening {
    std::int64_t time_us = 0;
    std::string_view subject, happened;
    std::string peer, link, address;
    std::string_view reason;
  };
  struct Reader {
    LocalSession* session;
    std::uint64_t after;
  };

  void note_path(const core::PathChanged& changed);
  void note_peer(std::string_view subject, std::string_view happened, PeerId peer, std::string_view reason = "");
  void add(Happening happening);
  /// `after` is below noted_.
  void answer(LocalSession& session, std::uint64_t after);

  const PeerTable& peers_;
  const LinkPump& pump_;
  std::deque<Happening> events_;  // the last one has number noted_
  std::uint64_t noted_ = 0;
  std::vector<Reader> readers_;
};

}  // namespace qnet::agent
