// SPDX-License-Identifier: Apache-2.0
//
// handle_quota.hpp: may there be one more handle?
//
// A total for everybody, a limit per user for everybody but root, and a reserve: the last descriptors below
// RLIMIT_NOFILE are not for handles, so that connections, working directories and requests in execution still find
// one, and `close` is still possible. The kernel gives the lowest free number: one that is reserved means that all
// below it are taken. One quota for what is open here (HandleTable), one for what is handed out (LocalHandles).
//
// Threads:  none of its own: whoever owns it locks.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <unordered_map>

#include "transport/base/result.hpp"

namespace qnet::exec {

class HandleQuota {
 public:
  static constexpr rlim_t kReservedDescriptorsMax = 1024;

  HandleQuota(std::size_t handles_max, std::size_t caller_handles_max)
      : handles_max_(handles_max), caller_handles_max_(caller_handles_max) {}

  /// One more of `user`, whose descriptor has just been opened. ENFILE: the agent is full; EMFILE: the user is.
  [[nodiscard]] Status take(std::uint32_t user, int fd) {
    if (taken_ >= handles_max_) return fail(ENFILE, "handles_max");
    if (is_reserved(fd)) return fail(ENFILE, "descriptors");
    const auto found = per_user_.find(user);
    if (user != 0 && found != per_user_.end() && found->second >= caller_handles_max_) {
      return fail(EMFILE, "caller_handles_max");
    }
    ++per_user_[user];
    ++taken_;
    return {};
  }
  /// One that was taken is gone.
  void give_back(std::uint32_t user) {
    const auto found = per_user_.find(user);
    if (--found->second == 0) per_user_.erase(found);
    --taken_;
  }

 private:
  static bool is_reserved(int fd) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
    return static_cast<rlim_t>(fd) >= limit.rlim_cur - std::min(kReservedDescriptorsMax, limit.rlim_cur / 4);
  }

  const std::size_t handles_max_;
  const std::size_t caller_handles_max_;
  std::unordered_map<std::uint32_t, std::size_t> per_user_;
  std::size_t taken_ = 0;
};

}  // namespace qnet::exec
