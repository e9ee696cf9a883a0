// SPDX-License-Identifier: Apache-2.0
//
// qos_policy.hpp: what is a policy, and which exist? (the only table of names)
//
// Not here: which path a packet takes (scheduler.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "transport/base/ids.hpp"
#include "transport/base/result.hpp"
#include "transport/core/engine.hpp"

namespace qnet::core {

enum class PolicyKind : std::uint8_t {
  kLoadBalance,  ///< every link
  kPreferred,    ///< this link until it fails, then every other
  kExclusive,    ///< this link only
};

struct Policy {
  PolicyKind kind = PolicyKind::kLoadBalance;
  LinkId link;  ///< unless kLoadBalance
};

/// "" and "loadbalance" without a link, "preferred" and "exclusive" with the name of one of `links`; else EINVAL.
Result<Policy> parse_policy(std::string_view policy, std::string_view link, std::span<const LinkProperties> links);

}  // namespace qnet::core
