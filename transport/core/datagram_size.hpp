// SPDX-License-Identifier: Apache-2.0
//
// datagram_size.hpp: how large may a datagram be on this path?
//
// Begins with what both ends' links carry. A path on which only large datagrams vanish, twice in a row while small ones
// are acknowledged, falls to kBase at once, and so does one of which the kernel says "too long". From there a search
// goes up: padded probes (trials), each repeated kTries times, first the old size (it may have been bad luck), then
// halfway between what passes and what does not. What the search ends with is tried to be raised every kRaiseAfter.
//
//     kSettled ──2 black rounds, or refused──► kSearching ──bounds meet──► kSettled ──kRaiseAfter──► kSearching
//
// Source: RFC 8899 (probes, base size, black-hole detection, raise timer).
// Not here: writing the probes (session_send.cpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "transport/base/clock.hpp"

namespace qnet::core {

/// What one acknowledgement, or a loss timer, has told of packets that had to be acknowledged. 0: none.
struct SizeNews {
  std::size_t acked_bytes = 0;  // largest acknowledged
  std::size_t lost_bytes = 0;   // largest lost
  std::uint64_t lost_number = 0;
};

class DatagramSize {
 public:
  static constexpr std::size_t kBase = 1200;
  static constexpr unsigned kBlackRounds = 2;
  static constexpr unsigned kTries = 3;
  static constexpr std::size_t kStep = 32;  // the search ends when its bounds are that close
  static constexpr Duration kRaiseAfter = std::chrono::seconds(60);

  /// The largest datagram now; a multiple of 4, without the headers of UDP and below.
  std::size_t bytes() const { return bytes_; }
  /// The links allow that much; `may_search` false: whatever happens. A change begins anew.
  void limit(std::size_t ceiling_bytes, bool may_search);
  /// `next_number` of the packet that will be sent next.
  void on_news(const SizeNews& news, std::uint64_t next_number, Instant now);
  /// The kernel, or a router (ICMP), has refused a datagram as too long for the way: the trial, if one is out.
  void on_refused(Instant now);

  /// How large the next trial is.
  std::size_t trial_bytes() const { return trial_bytes_; }
  /// When it is due; nothing while there is none to be sent.
  std::optional<Instant> trial_at() const { return trial_at_; }
  void on_trial_sent() {
    trial_at_.reset();
    is_trial_out_ = true;
  }
  /// What was on its way has been given up: that says nothing about sizes.
  void on_abandoned(Instant now);

 private:
  std::size_t base() const { return std::min(kBase, ceiling_bytes_); }
  void fall(Instant now);
  void on_trial_failed(Instant now);
  void try_next(Instant now);

  std::size_t ceiling_bytes_ = 0;
  bool may_search_ = true;
  std::size_t bytes_ = 0;
  unsigned black_rounds_ = 0;
  std::uint64_t round_begins_ = 0;  // packets below belong to rounds that are counted
  std::size_t too_long_bytes_ = 0;  // the least that does not pass, as far as is known
  std::size_t trial_bytes_ = 0;
  std::optional<Instant> trial_at_;
  bool is_trial_out_ = false;
  unsigned tries_ = 0;
};

}  // namespace qnet::core
