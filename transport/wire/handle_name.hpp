// SPDX-License-Identifier: Apache-2.0
//
// handle_name.hpp: how does a descriptor say what it is? (design D1)
//
// The agent's end of every handle's socketpair is bound to the abstract unix name
//
//   \0qnet/<agent instance, 16 hex>/<handle, 16 hex>/<kind>/<node[~qos]>
//
// and getpeername() on the application's end gives it, in any process that holds the descriptor. Anybody can bind such
// a name: it is believed only if SO_PEERCRED of the descriptor is the agent.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "transport/base/ids.hpp"

namespace qnet::wire {

/// The letter in the name: how the library treats the descriptor.
enum class HandleKind : char {
  kFile = 'f',  // regular file, block device: always ready, has an offset
  kDirectory = 'd',
  kStream = 's',     // FIFO: no offset, may block
  kCharacter = 'c',  // character device
  kPath = 'p',       // opened with O_PATH
};

struct HandleName {
  static constexpr std::size_t kBytesMax = 107;  // sun_path without the leading NUL

  std::uint64_t agent_instance = 0;  // the agent's incarnation
  HandleId handle;
  HandleKind kind = HandleKind::kFile;
  std::string_view target;  // "b~preferred:en0"; parse: points into the name
};

/// The name without the leading NUL. Returns its length, 0 if the target is too long.
std::size_t format_handle_name(const HandleName& name, std::array<char, HandleName::kBytesMax>& text);
/// Nothing unless it is exactly such a name.
std::optional<HandleName> parse_handle_name(std::string_view text);

}  // namespace qnet::wire
