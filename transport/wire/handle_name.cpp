// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/handle_name.hpp"

#include <cstring>

#include "transport/base/net_path.hpp"

namespace qnet::wire {
namespace {

constexpr std::string_view kStart = "qnet/";
constexpr std::size_t kHexDigits = 16;
// "qnet/" + 16 + "/" + 16 + "/" + kind + "/"
constexpr std::size_t kFixedBytes = kStart.size() + kHexDigits + 1 + kHexDigits + 1 + 1 + 1;
static_assert(kFixedBytes + kTargetBytesMax <= HandleName::kBytesMax);

void put_hex(char* at, std::uint64_t value) {
  for (std::size_t i = 0; i < kHexDigits; ++i) at[i] = "0123456789abcdef"[(value >> (60 - 4 * i)) & 15];
}

std::optional<std::uint64_t> get_hex(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c >= '0' && c <= '9') value = value << 4 | static_cast<std::uint64_t>(c - '0');
    else if (c >= 'a' && c <= 'f') value = value << 4 | static_cast<std::uint64_t>(c - 'a' + 10);
    else return std::nullopt;
  }
  return value;
}

}  // namespace

std::size_t format_handle_name(const HandleName& name, std::array<char, HandleName::kBytesMax>& text) {
  if (name.target.size() > kTargetBytesMax) return 0;
  char* at = text.data();
  std::memcpy(at, kStart.data(), kStart.size());
  at += kStart.size();
  put_hex(at, name.agent_instance);
  at += kHexDigits;
  *at++ = '/';
  put_hex(at, name.handle.value);
  at += kHexDigits;
  *at++ = '/';
  *at++ = static_cast<char>(name.kind);
  *at++ = '/';
  std::memcpy(at, name.target.data(), name.target.size());
  return kFixedBytes + name.target.size();
}

std::optional<HandleName> parse_handle_name(std::string_view text) {
  if (text.size() < kFixedBytes || !text.starts_with(kStart)) return std::nullopt;
  const auto instance = get_hex(text.substr(5, kHexDigits));
  const auto handle = get_hex(text.substr(22, kHexDigits));
  const bool has_slashes = text[21] == '/' && text[38] == '/' && text[40] == '/';
  if (!instance || !handle || !has_slashes) return std::nullopt;
  if (!std::string_view("fdscp").contains(text[39])) return std::nullopt;
  return HandleName{*instance, HandleId{*handle}, static_cast<HandleKind>(text[39]), text.substr(kFixedBytes)};
}

}  // namespace qnet::wire
