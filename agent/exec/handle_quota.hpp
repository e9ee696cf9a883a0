// SPDX-License-Identifier: Apache-2.0
//
// handle_quota.hpp: may there be one more handle?
//
// A total for everybody, a limit per user for everybody but root, and a reserve: the last descriptors below
// RLIMIT_NOFILE are not for handles, so that connections, working directories and requests in execution still find
// one, and `close` is still possible. The kernel gives the lowest free number: one that is reserved means that all
// below it are taken. One quota for what is open here (HandleTable), one for what is handed out (LocalHandles).
//
// Taken before anything is opened: a refused open must not have created or emptied a file.
//
// Threads:  any.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "transport/base/result.hpp"

namespace qnet::exec {

class HandleQuota {
  struct Counts {
    std::mutex mutex;
    std::unordered_map<std::uint32_t, std::size_t> per_user;
    std::size_t taken = 0;
  };

 public:
  static constexpr rlim_t kReservedDescriptorsMax = 1024;

  /// One handle's part, given back when it is destroyed. May outlive the quota.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept = default;
    Share& operator=(Share&& other) noexcept {
      give_back();
      counts_ = std::move(other.counts_);
      user_ = other.user_;
      return *this;
    }
    ~Share() { give_back(); }

   private:
    friend HandleQuota;
    Share(std::shared_ptr<Counts> counts, std::uint32_t user) : counts_(std::move(counts)), user_(user) {}
    void give_back() {
      if (counts_ == nullptr) return;
      const std::lock_guard lock(counts_->mutex);
      const auto found = counts_->per_user.find(user_);
      if (--found->second == 0) counts_->per_user.erase(found);
      --counts_->taken;
    }

    std::shared_ptr<Counts> counts_;
    std::uint32_t user_ = 0;
  };

  HandleQuota(std::size_t handles_max, std::size_t caller_handles_max)
      : handles_max_(handles_max), caller_handles_max_(caller_handles_max) {}

  /// One more of `user`; `fd` has just been given by the kernel. ENFILE: the agent is full; EMFILE: the user is.
  [[nodiscard]] Result<Share> take(std::uint32_t user, int fd) {
    if (is_reserved(fd)) return fail(ENFILE, "descriptors");
    const std::lock_guard lock(counts_->mutex);
    if (counts_->taken >= handles_max_) return fail(ENFILE, "handles_max");
    const auto found = counts_->per_user.find(user);
    if (user != 0 && found != counts_->per_user.end() && found->second >= caller_handles_max_) {
      return fail(EMFILE, "caller_handles_max");
    }
    ++counts_->per_user[user];
    ++counts_->taken;
    return Share(counts_, user);
  }

 private:
  static bool is_reserved(int fd) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
    return static_cast<rlim_t>(fd) >= limit.rlim_cur - std::min(kReservedDescriptorsMax, limit.rlim_cur / 4);
  }

  const std::size_t handles_max_;
  const std::size_t caller_handles_max_;
  const std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

}  // namespace qnet::exec
