// SPDX-License-Identifier: Apache-2.0
//
// caller_priority.hpp: how urgent is what a local process asks for?
//
// As urgent as the kernel says that its main thread is: nobody can claim what he may not have. Asked for once per
// connection and again after kBelievedFor, because nice(1) and chrt(1) may change it at any time: a system call for
// each request would be a percent of it.
//
// Threads:  the strand.
#pragma once

#include <cstdint>
#include <optional>

#include "transport/base/clock.hpp"
#include "transport/base/priority.hpp"

namespace qnet::agent {

/// Of the thread with this id; kPriorityNormal if it is gone or cannot be seen.
Priority priority_of(std::uint32_t thread);

class CallerPriority {
 public:
  static constexpr Duration kBelievedFor = std::chrono::milliseconds(50);

  explicit CallerPriority(std::uint32_t process) : process_(process) {}

  Priority at(Instant at) {
    if (!asked_at_ || at - *asked_at_ >= kBelievedFor) {
      priority_ = priority_of(process_);
      asked_at_ = at;
    }
    return priority_;
  }

 private:
  std::uint32_t process_;
  Priority priority_ = kPriorityNormal;
  std::optional<Instant> asked_at_;
};

}  // namespace qnet::agent
