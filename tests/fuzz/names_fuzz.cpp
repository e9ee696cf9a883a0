// SPDX-License-Identifier: Apache-2.0
//
// names_fuzz.cpp: do the parsers of names stay inside their text, and does what they accept mean one thing?
//
// First byte: which parser. Names of handles, paths below the prefix, QNET_MAP, addresses of links, modes of fopen(3).
#include <array>
#include <functional>
#include <string>

#include "preload/map_text.hpp"
#include "preload/stream_mode.hpp"
#include "transport/base/check.hpp"
#include "transport/base/net_path.hpp"
#include "transport/link/udp_address.hpp"
#include "transport/wire/handle_name.hpp"

namespace qnet {
namespace {

bool is_inside(std::string_view part, std::string_view whole) {
  const std::less_equal<const char*> ordered;
  return part.empty() || (ordered(whole.data(), part.data()) && ordered(part.end(), whole.end()));
}

void check_handle_name(std::string_view text) {
  const std::optional<wire::HandleName> name = wire::parse_handle_name(text);
  if (!name) return;
  std::array<char, wire::HandleName::kBytesMax> again;
  const std::size_t bytes = wire::format_handle_name(*name, again);
  QNET_CHECK(std::string_view(again.data(), bytes) == text);
}

void check_net_path(std::string_view text) {
  const NetPath path = parse_net_path(text, kDefaultPrefix);
  QNET_CHECK(is_inside(path.target, text) && is_inside(path.rest, text));
  QNET_CHECK((path.kind == NetPathKind::kNode) == !path.target.empty());
  if (path.kind == NetPathKind::kNode) QNET_CHECK(path.rest.empty() || path.rest.front() == '/');
  const NodeTarget target = split_target(path.target);
  QNET_CHECK(is_inside(target.node, path.target) && is_inside(target.policy, path.target) &&
             is_inside(target.link, path.target));
}

void check_map(std::string_view text) {
  std::string_view left = text;
  for (std::size_t most = text.size() + 1; !left.empty(); --most) {
    QNET_CHECK(most > 0);
    std::string_view entry;
    const std::optional<preload::MapEntry> parsed = preload::take_map_entry(left, entry);
    QNET_CHECK(is_inside(entry, text));
    if (!parsed) continue;
    QNET_CHECK(parsed->local.size() > 1 && parsed->local.front() == '/' && parsed->target.front() == '/');
    QNET_CHECK(is_inside(parsed->local, text) && is_inside(parsed->target, text));
  }
}

void check_address(std::string_view text) {
  const Result<core::Address> address = link::parse_udp_address(text);
  if (!address) return;
  const Result<core::Address> again = link::parse_udp_address(link::format_udp_address(*address));
  QNET_CHECK(again.has_value() && *again == *address);
}

void check_stream_mode(std::string_view text) {
  const std::string mode(text);
  const std::optional<preload::StreamMode> parsed = preload::parse_stream_mode(mode.c_str());
  QNET_CHECK(parsed.has_value() == (!text.empty() && std::string_view("rwa").find(text.front()) != text.npos));
  if (!parsed) return;
  const int access = parsed->open_flags & O_ACCMODE;
  QNET_CHECK(parsed->can_read == (access != O_WRONLY) && parsed->can_write == (access != O_RDONLY));
  QNET_CHECK(parsed->appends == ((parsed->open_flags & O_APPEND) != 0) && parsed->cookie[0] == text.front());
}

constexpr auto kChecks =
    std::to_array({check_handle_name, check_net_path, check_map, check_address, check_stream_mode});

}  // namespace
}  // namespace qnet

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  qnet::kChecks[data[0] % qnet::kChecks.size()](text);
  return 0;
}
