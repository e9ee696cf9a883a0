// SPDX-License-Identifier: Apache-2.0
//
// link_monitor.hpp: is this path to the peer usable right now?
//
// Judges by one kind of evidence: the peer has acknowledged something that we sent on this path. So a link that works
// in one direction counts as broken; but while something arrives on it the verdict waits for up to kHeardPatience,
// because the answer may stand behind it in a queue. Probes are asked for only when nothing else was acknowledged
// lately.
//
//               answers for the hold-down time           probe timeout
//     kDown ──► kProbing ─────────────────────► kUp ◄──────────────────────► kSuspect
//       ▲                                              acknowledgement          │
//       └───────────────────────────────────────────────────────────────────────┘
//                silence of link_dead_after and kProbesUnanswered, or refused and not contradicted
//
// A path that has failed must answer for kHoldFirst before it is used again, doubled with each further failure up to
// kHoldMax and halved with each kHoldDecay without one. No hesitation where there is no choice: on a path that has not
// failed in this session, and while no other path is usable.
// Not here: choosing between paths (path_choice.hpp); greeting over a path that is down (peer.hpp).
#pragma once

#include <cstdint>
#include <optional>

#include "transport/base/clock.hpp"
#include "transport/core/path_state.hpp"

namespace qnet::core {

struct MonitorTimes {
  Duration probe_interval_active;
  Duration probe_interval_idle;
  Duration link_dead_after;
};

class LinkMonitor {
 public:
  static constexpr unsigned kProbesUnanswered = 3;
  static constexpr unsigned kAnswersToReturn = 3;
  static constexpr Duration kHoldFirst = std::chrono::milliseconds(200);
  static constexpr Duration kHoldMax = std::chrono::seconds(10);
  static constexpr Duration kHoldDecay = std::chrono::seconds(10);
  static constexpr Duration kProbingLeast = std::chrono::milliseconds(20);
  static constexpr Duration kProbingMost = std::chrono::milliseconds(200);
  /// After a failure it counts as settled when it has been up for this long.
  static constexpr Duration kSettledAfter = std::chrono::milliseconds(500);
  static constexpr unsigned kRefusedProbes = 2;
  static constexpr Duration kRefusedVerdict = std::chrono::milliseconds(25);
  /// The verdict "silent" waits for this many probe timeouts, whatever link_dead_after says.
  static constexpr int kTimeoutsToDie = 2;
  static constexpr int kTimeoutsMost = 10;  // times link_dead_after: answers that came late do not put it off for ever
  static constexpr int kHeardPatience = 5;  // times link_dead_after

  explicit LinkMonitor(MonitorTimes times) : times_(times) {}

  LinkState state() const { return state_; }
  /// Why it is in that state; while it proves itself, why it was down.
  PathReason reason() const { return reason_; }
  /// Since when it is in that state; nothing if it has never been in another.
  std::optional<Instant> since() const { return since_; }
  /// How often it went down, ever.
  std::uint64_t downs() const { return downs_; }
  bool is_usable() const { return state_ == LinkState::kUp || state_ == LinkState::kSuspect; }
  /// It has gone down in this session, and not together with every other path of the peer.
  bool has_failed() const { return has_failed_; }
  /// Up, and trustworthy enough to be returned to.
  bool is_settled(Instant now) const {
    return state_ == LinkState::kUp && (!has_failed_ || now >= up_since_ + kSettledAfter);
  }
  /// How often a path that is down and answers is asked.
  Duration probing_interval() const;
  /// For how long a path that has failed must answer before it is used again.
  Duration hold() const;

  /// A packet that must be acknowledged has left. `random` spreads the probes of many nodes.
  void on_sent(Instant now, bool is_probe, std::uint64_t random);
  /// Something sent on this path was acknowledged. `is_only` no other path is usable: no hesitation. While the path
  /// proves itself, answers must not stay away for longer than some probing intervals and round trips.
  void on_confirmed(Instant now, bool is_only, Duration round_trip = Duration::zero());
  /// Anything came on this path.
  void on_arrival(Instant now) { heard_at_ = now; }
  /// The probe timeout has passed.
  void on_timeout(Instant now);
  /// The local kernel says that the peer's address is not reachable; `is_refused`: its host says that nobody listens.
  /// Not believed until kRefusedProbes have stayed unanswered. Returns true when that is news.
  bool on_send_error(Instant now, bool is_refused);
  /// `fault`: what we know to be wrong on our side; without it it was an error of the kernel, or silence.
  void go_down(Instant now, PathReason fault = PathReason::kNone);
  /// It was not this path that failed: the peer as a whole was silent.
  void forgive();
  /// A session begins or ends: nothing is known. What is down already stays so, since when and why it did.
  void begin(Instant now);

  bool wants_probe(Instant now, bool is_active) const;
  bool is_dead(Instant now, Duration probe_timeout) const;
  /// When one of the two above may become true.
  std::optional<Instant> deadline(bool is_active, Duration probe_timeout) const;
  /// The whole node stood still for that long: nobody else was silent.
  void shift(Duration stall, Instant now);

 private:
  void enter(LinkState state, PathReason reason, Instant now);
  Instant next_probe(bool is_active) const;
  bool may_return(Instant now, bool is_only, Duration round_trip);
  std::optional<Instant> death(Duration probe_timeout) const;

  MonitorTimes times_;
  LinkState state_ = LinkState::kDown;
  PathReason reason_ = PathReason::kNeverHeard;
  std::optional<Instant> since_;
  std::uint64_t downs_ = 0;
  Instant confirmed_at_{};
  Instant heard_at_{};
  Instant probed_at_{};
  std::optional<Instant> silent_since_;  // oldest packet since the last acknowledgement
  unsigned probes_unanswered_ = 0;
  std::uint32_t jitter_ = 0;  // 0 to 1023: up to a quarter of the interval earlier
  bool is_error_refusal_ = false;
  std::optional<Instant> error_at_;
  unsigned error_probes_ = 0;
  unsigned answers_ = 0;  // kProbing
  Instant first_answer_at_{};
  bool has_failed_ = false;
  unsigned failures_ = 0;  // lately
  Instant failed_at_{};
  Instant up_since_{};
};

}  // namespace qnet::core
