// SPDX-License-Identifier: Apache-2.0
//
// map_text.hpp: what does the text of QNET_MAP say?
//
// LOCAL=TARGET[:LOCAL=TARGET…], both absolute; a ':' ends an entry only in front of a '/', so that a target may hold
// "~preferred:en0". Pure text, nothing is allocated.
#pragma once

#include <optional>
#include <string_view>

#include "preload/state.hpp"

namespace qnet::preload {

inline std::string_view without_slashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

/// Takes the first entry off `left`, which is not empty; `text` is what it was. Nothing if it cannot be used.
inline std::optional<MapEntry> take_map_entry(std::string_view& left, std::string_view& text) {
  std::size_t end = left.find(":/");
  if (end == std::string_view::npos) end = left.size();
  text = left.substr(0, end);
  left.remove_prefix(end < left.size() ? end + 1 : end);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const MapEntry entry{without_slashes(text.substr(0, equals)), without_slashes(text.substr(equals + 1))};
  // Not "/" itself, however many slashes it is written with.
  const bool is_usable = entry.local.size() > 1 && entry.local[0] == '/' && entry.target.starts_with('/');
  return is_usable ? std::optional(entry) : std::nullopt;
}

}  // namespace qnet::preload
