// SPDX-License-Identifier: Apache-2.0
#include "transport/core/qos_policy.hpp"

namespace qnet::core {
namespace {

struct PolicyName {
  std::string_view name;
  PolicyKind kind;
  bool has_link;
};

constexpr PolicyName kPolicies[] = {
    {"", PolicyKind::kLoadBalance, false},
    {"loadbalance", PolicyKind::kLoadBalance, false},
    {"preferred", PolicyKind::kPreferred, true},
    {"exclusive", PolicyKind::kExclusive, true},
};

}  // namespace

Result<Policy> parse_policy(std::string_view policy, std::string_view link, std::span<const LinkProperties> links) {
  for (const PolicyName& known : kPolicies) {
    if (known.name != policy) continue;
    if (!known.has_link) {
      if (!link.empty()) return fail(EINVAL, "parse_policy: this policy takes no link");
      return Policy{.kind = known.kind};
    }
    for (std::size_t i = 0; i < links.size(); ++i) {
      if (links[i].name == link) return Policy{.kind = known.kind, .link = LinkId{static_cast<std::uint8_t>(i)}};
    }
    return fail(EINVAL, "parse_policy: no such link");
  }
  return fail(EINVAL, "parse_policy: no such policy");
}

}  // namespace qnet::core
