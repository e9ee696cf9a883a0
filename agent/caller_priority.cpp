// SPDX-License-Identifier: Apache-2.0
#include "agent/caller_priority.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace qnet::agent {
namespace {

/// struct sched_attr of the kernel, version 0; its header does not go together with libc's.
struct SchedulingAttributes {
  std::uint32_t size_bytes = 0, policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

constexpr std::uint32_t kDeadlinePolicy = 6;  // SCHED_DEADLINE

}  // namespace

Priority priority_of(std::uint32_t thread) {
  if (thread == 0) return kPriorityNormal;  // It lives in a PID namespace that we do not see.
  SchedulingAttributes attributes;
  if (syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0) != 0) return kPriorityNormal;
  switch (attributes.policy) {
    case SCHED_FIFO:
    case SCHED_RR:
      return static_cast<Priority>(kPriorityRealTime + std::clamp<std::uint32_t>(attributes.priority, 1, 99));
    case kDeadlinePolicy:
      return kPriorityHighest;
    case SCHED_IDLE:
      return kPriorityIdle;
    default:
      return static_cast<Priority>(-std::clamp(attributes.nice, -20, 19));
  }
}

}  // namespace qnet::agent
