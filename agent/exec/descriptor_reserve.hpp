// SPDX-License-Identifier: Apache-2.0
//
// descriptor_reserve.hpp: how does the agent go on working when its handles have used up its descriptors?
//
// The last numbers below RLIMIT_NOFILE are not for handles, so that connections, working directories and requests in
// execution still find one, and `close` is still possible. The kernel gives the lowest free number: one that is
// reserved means that all below it are taken.
//
// Threads:  any.
#pragma once

#include <sys/resource.h>

#include <algorithm>

namespace qnet::exec {

inline constexpr rlim_t kReservedDescriptorsMax = 1024;

/// May a handle not keep this descriptor, which has just been opened?
inline bool is_reserved_descriptor(int fd) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  return static_cast<rlim_t>(fd) >= limit.rlim_cur - std::min(kReservedDescriptorsMax, limit.rlim_cur / 4);
}

}  // namespace qnet::exec
