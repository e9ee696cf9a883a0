// SPDX-License-Identifier: Apache-2.0
#include "transport/base/net_path.hpp"

namespace qnet {
namespace {

/// Skips slashes and "." components; afterwards `at` is at a component's first character or at the end.
void skip_noise(std::string_view path, std::size_t& at) {
  for (;;) {
    while (at < path.size() && path[at] == '/') ++at;
    const bool is_dot = at < path.size() && path[at] == '.' && (at + 1 == path.size() || path[at + 1] == '/');
    if (!is_dot) return;
    ++at;
  }
}

std::string_view component_at(std::string_view path, std::size_t at) {
  return path.substr(at, path.find('/', at) - at);
}

}  // namespace

NetPath parse_net_path(std::string_view path, std::string_view prefix) {
  if (path.empty() || path.front() != '/') return {};

  // The prefix, component by component: "//net", "/./net" and "/net//" are the prefix as well.
  std::size_t at = 0;
  std::size_t wanted_at = 0;
  for (;;) {
    skip_noise(path, at);
    skip_noise(prefix, wanted_at);
    if (wanted_at == prefix.size()) break;
    const std::string_view wanted = component_at(prefix, wanted_at);
    if (component_at(path, at) != wanted) return {};
    at += wanted.size();
    wanted_at += wanted.size();
  }

  if (at == path.size()) {
    return {.kind = NetPathKind::kRoot, .must_be_directory = path.back() == '/' || path.back() == '.'};
  }
  const std::string_view first = component_at(path, at);
  const std::string_view rest = path.substr(at + first.size());
  if (first == "..") return {.kind = NetPathKind::kAbove, .rest = rest};
  return {.kind = NetPathKind::kNode, .target = first, .rest = rest};
}

NodeTarget split_target(std::string_view target) {
  NodeTarget parts;
  const std::size_t tilde = target.find('~');
  parts.node = target.substr(0, tilde);
  if (tilde == std::string_view::npos) return parts;

  parts.has_policy = true;
  const std::string_view qos = target.substr(tilde + 1);
  const std::size_t colon = qos.find(':');
  parts.policy = qos.substr(0, colon);
  if (colon == std::string_view::npos) return parts;
  parts.has_link = true;
  parts.link = qos.substr(colon + 1);
  return parts;
}

bool is_node_name(std::string_view name) {
  if (name.empty() || name.size() > kNodeNameBytesMax) return false;
  if (name.front() == '.' || name.front() == '-') return false;
  for (const char c : name) {
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_word && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

}  // namespace qnet
