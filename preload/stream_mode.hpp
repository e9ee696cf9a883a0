// SPDX-License-Identifier: Apache-2.0
//
// stream_mode.hpp: what does fopen's "r+e" ask for?
//
// Threads:  any.
#pragma once

#include <fcntl.h>

#include <optional>

namespace qnet::preload {

struct StreamMode {
  int open_flags = 0;       ///< for open(2)
  const char* cookie = "";  ///< for fopencookie(3)
  bool can_read = false, can_write = false, appends = false;
};

/// Nothing for a mode that libc refuses with EINVAL. ",ccs=" is ignored: wide characters follow the locale.
inline std::optional<StreamMode> parse_stream_mode(const char* mode) {
  StreamMode parsed;
  int creation = 0;
  bool both = false;
  switch (*mode) {
    case 'r':
      break;
    case 'w':
      creation = O_CREAT | O_TRUNC;
      break;
    case 'a':
      creation = O_CREAT | O_APPEND;
      break;
    default:
      return std::nullopt;
  }
  constexpr int kLettersMax = 7;  // libc looks no further.
  for (int i = 1; i < kLettersMax && mode[i] != '\0' && mode[i] != ','; ++i) {
    if (mode[i] == '+') both = true;
    if (mode[i] == 'x') parsed.open_flags |= O_EXCL;
    if (mode[i] == 'e') parsed.open_flags |= O_CLOEXEC;
  }
  parsed.can_read = both || *mode == 'r';
  parsed.can_write = both || *mode != 'r';
  parsed.appends = *mode == 'a';
  parsed.open_flags |= creation | (both ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY);
  parsed.cookie = *mode == 'r' ? (both ? "r+" : "r") : *mode == 'w' ? (both ? "w+" : "w") : (both ? "a+" : "a");
  return parsed;
}

}  // namespace qnet::preload
