// SPDX-License-Identifier: Apache-2.0
//
// bytes.hpp: how do we pass memory?
//
// Views never own; whoever is handed a view uses it during the call only, unless its own contract says more.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace qnet {

using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline ByteView as_bytes(const void* memory, std::size_t size_bytes) {
  return {static_cast<const std::byte*>(memory), size_bytes};
}

inline MutableBytes as_writable_bytes(void* memory, std::size_t size_bytes) {
  return {static_cast<std::byte*>(memory), size_bytes};
}

inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace qnet
