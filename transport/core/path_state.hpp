// SPDX-License-Identifier: Apache-2.0
//
// path_state.hpp: in which states can a path be, and for which reasons? (the only table of both)
//
// Not here: what leads from one state to another (link_monitor.hpp).
#pragma once

#include <cstdint>
#include <string_view>

namespace qnet::core {

enum class LinkState : std::uint8_t {
  kDown,     ///< nothing is sent but greetings
  kProbing,  ///< it answers, but has failed before and must prove itself
  kUp,
  kSuspect,  ///< used only where there is no other: it has not answered in time
};

/// Why a path is not up.
enum class PathReason : std::uint8_t {
  kNone,           ///< it is up
  kNeverHeard,     ///< nothing was ever heard on it
  kLate,           ///< the probe timeout has passed
  kSilent,         ///< nothing was acknowledged for link_dead_after
  kRefused,        ///< the host answers, no agent listens (ICMP port unreachable)
  kUnreachable,    ///< the kernel does not send to that address
  kPeerGone,       ///< the session has ended: goodbye, restart, removed
  kNoAddress,      ///< our link's address is on no interface
  kInterfaceDown,  ///< switched off
  kNoCarrier,      ///< cable out, or nobody at its other end
};

constexpr std::string_view text_of(LinkState state) {
  switch (state) {
    case LinkState::kDown:
      return "down";
    case LinkState::kProbing:
      return "probing";
    case LinkState::kUp:
      return "up";
    case LinkState::kSuspect:
      return "suspect";
  }
  return "unknown";
}

constexpr std::string_view text_of(PathReason reason) {
  switch (reason) {
    case PathReason::kNone:
      return "";
    case PathReason::kNeverHeard:
      return "never heard";
    case PathReason::kLate:
      return "late";
    case PathReason::kSilent:
      return "silent";
    case PathReason::kRefused:
      return "refused";
    case PathReason::kUnreachable:
      return "unreachable";
    case PathReason::kPeerGone:
      return "peer gone";
    case PathReason::kNoAddress:
      return "no such address here";
    case PathReason::kInterfaceDown:
      return "interface is off";
    case PathReason::kNoCarrier:
      return "no carrier";
  }
  return "unknown";
}

}  // namespace qnet::core
