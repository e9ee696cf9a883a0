// SPDX-License-Identifier: Apache-2.0
#include "transport/core/link_monitor.hpp"

#include <algorithm>

namespace qnet::core {

void LinkMonitor::enter(LinkState state, PathReason reason, Instant now) {
  if (state == state_) return;
  if (state == LinkState::kDown && is_usable()) ++downs_;
  state_ = state;
  reason_ = reason;
  since_ = now;
}

void LinkMonitor::begin(Instant now) {
  LinkMonitor fresh(times_);
  fresh.state_ = state_;
  fresh.reason_ = reason_;
  fresh.since_ = since_;
  fresh.downs_ = downs_;
  *this = fresh;
  enter(LinkState::kDown, PathReason::kPeerGone, now);
}

void LinkMonitor::on_sent(Instant now, bool is_probe, std::uint64_t random) {
  if (!is_usable()) return;
  if (!silent_since_) silent_since_ = now;
  if (!is_probe) return;
  probed_at_ = now;
  jitter_ = static_cast<std::uint32_t>(random & 1023);
  ++probes_unanswered_;
  if (error_at_) ++error_probes_;
}

void LinkMonitor::on_confirmed(Instant now, bool is_only, Duration round_trip) {
  if (!is_usable() && !may_return(now, is_only, round_trip)) {
    confirmed_at_ = now;
    return;
  }
  if (!is_usable()) up_since_ = now;
  enter(LinkState::kUp, PathReason::kNone, now);
  confirmed_at_ = now;
  silent_since_.reset();
  error_at_.reset();
  probes_unanswered_ = 0;
}

bool LinkMonitor::may_return(Instant now, bool is_only, Duration round_trip) {
  const bool is_late = now - confirmed_at_ > kAnswersToReturn * (probing_interval() + round_trip);
  if (state_ == LinkState::kDown || is_late) {
    enter(LinkState::kProbing, reason_, now);
    answers_ = 0;
    first_answer_at_ = now;
  }
  ++answers_;
  if (is_only || !has_failed_) return true;
  return answers_ >= kAnswersToReturn && now - first_answer_at_ >= hold();
}

Duration LinkMonitor::hold() const {
  const unsigned doublings = std::min(failures_ - std::min(failures_, 1u), 10u);
  return std::min(kHoldFirst * (1 << doublings), kHoldMax);
}

Duration LinkMonitor::probing_interval() const {
  return std::clamp(hold() / 10, kProbingLeast, kProbingMost);
}

void LinkMonitor::on_timeout(Instant now) {
  if (state_ == LinkState::kUp) enter(LinkState::kSuspect, PathReason::kLate, now);
}

bool LinkMonitor::on_send_error(Instant now, bool is_refused) {
  if (!is_usable()) return false;
  enter(LinkState::kSuspect, is_refused ? PathReason::kRefused : PathReason::kUnreachable, now);
  is_error_refusal_ = is_refused;
  if (error_at_) return false;
  error_at_ = now;
  error_probes_ = 0;
  return true;
}

void LinkMonitor::go_down(Instant now, PathReason fault) {
  const auto decayed = static_cast<unsigned>(std::min<std::int64_t>((now - failed_at_) / kHoldDecay, failures_));
  failures_ = failures_ - decayed + 1;
  failed_at_ = now;
  has_failed_ = true;
  const PathReason error = is_error_refusal_ ? PathReason::kRefused : PathReason::kUnreachable;
  const PathReason verdict = error_at_ ? error : PathReason::kSilent;
  enter(LinkState::kDown, fault != PathReason::kNone ? fault : verdict, now);
  silent_since_.reset();
  error_at_.reset();
  probes_unanswered_ = 0;
}

void LinkMonitor::forgive() {
  has_failed_ = false;
  failures_ -= std::min(failures_, 1u);
}

Instant LinkMonitor::next_probe(bool is_active) const {
  if (error_at_ && error_probes_ == 0) return *error_at_;
  const bool is_urgent = is_active || state_ == LinkState::kSuspect;
  const Duration interval = is_urgent ? times_.probe_interval_active : times_.probe_interval_idle;
  return std::max(confirmed_at_, probed_at_) + interval - interval * jitter_ / 4096;
}

bool LinkMonitor::wants_probe(Instant now, bool is_active) const {
  return is_usable() && now >= next_probe(is_active);
}

std::optional<Instant> LinkMonitor::death(Duration probe_timeout) const {
  if (!is_usable()) return std::nullopt;
  std::optional<Instant> death;
  if (silent_since_ && probes_unanswered_ >= kProbesUnanswered) {
    const Duration timeouts = std::min(kTimeoutsToDie * probe_timeout, kTimeoutsMost * times_.link_dead_after);
    const Instant latest_heard = *silent_since_ + kHeardPatience * times_.link_dead_after;
    death = std::max(*silent_since_ + std::max(times_.link_dead_after, timeouts),
                     std::min(heard_at_ + times_.link_dead_after, latest_heard));
  }
  if (error_at_ && error_probes_ >= kRefusedProbes) {
    const Instant verdict = *error_at_ + std::max(kRefusedVerdict, probe_timeout);
    if (!death || verdict < *death) death = verdict;
  }
  return death;
}

bool LinkMonitor::is_dead(Instant now, Duration probe_timeout) const {
  const std::optional<Instant> when = death(probe_timeout);
  return when && now >= *when;
}

std::optional<Instant> LinkMonitor::deadline(bool is_active, Duration probe_timeout) const {
  if (!is_usable()) return std::nullopt;
  const Instant probe = next_probe(is_active);
  const std::optional<Instant> when = death(probe_timeout);
  return when ? std::min(probe, *when) : probe;
}

void LinkMonitor::shift(Duration stall, Instant now) {
  confirmed_at_ = std::min(confirmed_at_ + stall, now);
  probed_at_ = std::min(probed_at_ + stall, now);
  heard_at_ = std::min(heard_at_ + stall, now);
  if (silent_since_) silent_since_ = std::min(*silent_since_ + stall, now);
  if (error_at_) error_at_ = std::min(*error_at_ + stall, now);
}

}  // namespace qnet::core
