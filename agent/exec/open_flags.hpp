// SPDX-License-Identifier: Apache-2.0
//
// open_flags.hpp: which O_* of this host are the ones on the wire, which are x86-64's?
//
// Most are the same on all of Linux; four differ on some machines. Compiles to nothing where they do not.
#pragma once

#include <fcntl.h>

#include <cstdint>

namespace qnet::exec {

struct OpenFlagRow {
  std::uint32_t wire;
  std::uint32_t host;
};

// The kernel's O_LARGEFILE, which it shows in F_GETFL; libc's is 0 on 64-bit machines.
#if defined(__aarch64__)
inline constexpr std::uint32_t kHostLargeFile = 0400000;
#else
inline constexpr std::uint32_t kHostLargeFile = 0100000;
#endif

inline constexpr OpenFlagRow kOpenFlagRows[] = {
    {0040000, O_DIRECT}, {0100000, kHostLargeFile}, {0200000, O_DIRECTORY}, {0400000, O_NOFOLLOW}};
inline constexpr std::uint32_t kOpenFlagsThatDiffer = 0740000;

constexpr int host_open_flags(std::uint32_t wire) {
  std::uint32_t host = wire & ~kOpenFlagsThatDiffer;
  for (const OpenFlagRow& row : kOpenFlagRows) host |= (wire & row.wire) != 0 ? row.host : 0;
  return static_cast<int>(host);
}

constexpr std::uint32_t wire_open_flags(int flags) {
  const auto host = static_cast<std::uint32_t>(flags);
  std::uint32_t wire = host & ~kOpenFlagsThatDiffer;
  for (const OpenFlagRow& row : kOpenFlagRows) wire |= (host & row.host) != 0 ? row.wire : 0;
  return wire;
}

}  // namespace qnet::exec
