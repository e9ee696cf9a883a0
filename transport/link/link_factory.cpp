// SPDX-License-Identifier: Apache-2.0
//
// link_factory.cpp: which drivers exist? (the only list of them)
#include <array>
#include <string_view>

#include "transport/link/link_driver.hpp"
#include "transport/link/udp_link.hpp"

namespace qnet::link {
namespace {

struct Scheme {
  std::string_view name;
  Result<std::unique_ptr<LinkDriver>> (*make)(const std::string& text, const LinkOptions& options);
};

constexpr std::array kSchemes{
    Scheme{"udp", make_udp_link},
};

}  // namespace

Result<std::unique_ptr<LinkDriver>> make_link_driver(const std::string& text, const LinkOptions& options) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return fail(EINVAL, "link: no scheme");
  for (const Scheme& scheme : kSchemes) {
    if (text.compare(0, colon, scheme.name) == 0) return scheme.make(text.substr(colon + 1), options);
  }
  return fail(EINVAL, "link: unknown scheme");
}

}  // namespace qnet::link
