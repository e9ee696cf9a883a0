// SPDX-License-Identifier: Apache-2.0
//
// qos_policy.hpp: what is a policy, and which exist? (the only table of names)
//
// Connections of the same policy form a lane: they may use the same paths, so whose turn it is and which path it gets
// can be decided lane by lane.
// Not here: which path a packet takes (path_choice.hpp).
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string_view>

#include "transport/base/ids.hpp"
#include "transport/base/net_path.hpp"
#include "transport/base/result.hpp"
#include "transport/core/engine.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core {

using wire::PolicyKind;

inline constexpr std::size_t kLinksMax = 8;

struct Policy {
  PolicyKind kind = PolicyKind::kLoadBalance;
  LinkId link;  ///< of kPreferred and kExclusive, else 0

  bool has_link() const { return kind == PolicyKind::kPreferred || kind == PolicyKind::kExclusive; }
  auto operator<=>(const Policy&) const = default;
};

using Lane = std::uint8_t;
inline constexpr Lane kLanes = 2 + 2 * kLinksMax;
/// Bit set of lanes.
using Lanes = std::uint32_t;
static_assert(kLanes <= 32);

/// 0 is loadbalance.
constexpr Lane lane_of(const Policy& policy) {
  switch (policy.kind) {
    case PolicyKind::kLoadBalance:
      return 0;
    case PolicyKind::kRedundant:
      return 1;
    case PolicyKind::kPreferred:
      return static_cast<Lane>(2 + policy.link.value);
    case PolicyKind::kExclusive:
      return static_cast<Lane>(2 + kLinksMax + policy.link.value);
  }
  return 0;
}
constexpr Policy policy_of(Lane lane) {
  if (lane == 0) return {};
  if (lane == 1) return {.kind = PolicyKind::kRedundant};
  if (lane < 2 + kLinksMax) return {PolicyKind::kPreferred, LinkId{static_cast<std::uint8_t>(lane - 2)}};
  return {PolicyKind::kExclusive, LinkId{static_cast<std::uint8_t>(lane - 2 - kLinksMax)}};
}

/// "", "loadbalance" and "redundant" without a link, "preferred" and "exclusive" with the name of one of `links`; else
/// EINVAL.
Result<Policy> parse_policy(std::string_view policy, std::string_view link, std::span<const LinkProperties> links);
/// The same for what stands in a path; EINVAL also for a '~' or ':' with nothing behind it.
Result<Policy> parse_policy(const NodeTarget& target, std::span<const LinkProperties> links);

}  // namespace qnet::core
