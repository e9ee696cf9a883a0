// SPDX-License-Identifier: Apache-2.0
#include "transport/core/qos_policy.hpp"

namespace qnet::core {
namespace {

struct PolicyName {
  std::string_view name;
  PolicyKind kind;
};

constexpr PolicyName kPolicies[] = {
    {"", PolicyKind::kLoadBalance},        {"loadbalance", PolicyKind::kLoadBalance},
    {"redundant", PolicyKind::kRedundant}, {"preferred", PolicyKind::kPreferred},
    {"exclusive", PolicyKind::kExclusive},
};

}  // namespace

Result<Policy> parse_policy(std::string_view policy, std::string_view link, std::span<const LinkProperties> links) {
  for (const PolicyName& known : kPolicies) {
    if (known.name != policy) continue;
    Policy parsed{.kind = known.kind, .link = {}};
    if (!parsed.has_link()) {
      if (!link.empty()) return fail(EINVAL, "parse_policy: this policy takes no link");
      return parsed;
    }
    for (std::size_t i = 0; i < links.size(); ++i) {
      if (links[i].name != link) continue;
      parsed.link = LinkId{static_cast<std::uint8_t>(i)};
      return parsed;
    }
    return fail(EINVAL, "parse_policy: no such link");
  }
  return fail(EINVAL, "parse_policy: no such policy");
}

Result<Policy> parse_policy(const NodeTarget& target, std::span<const LinkProperties> links) {
  if (target.has_policy && target.policy.empty()) return fail(EINVAL, "parse_policy: no policy behind the '~'");
  if (target.has_link && target.link.empty()) return fail(EINVAL, "parse_policy: no link behind the ':'");
  return parse_policy(target.policy, target.link, links);
}

}  // namespace qnet::core
