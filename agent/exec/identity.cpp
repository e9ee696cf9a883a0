// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/identity.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "transport/base/raw_syscall.hpp"

namespace qnet::exec {
namespace {

constexpr std::uint32_t kNoId = UINT32_MAX;  // "leave it as it is" to the kernel: must never get there
constexpr std::uint32_t kNobodysId = UINT32_MAX - 1;

/// 0 or -errno. In a user namespace nobody's id may not exist: then the real id is the caller's as well.
long become_user(std::uint32_t user) {
  const long result = raw_syscall(SYS_setresuid, kNobodysId, user, 0);
  return result == -EINVAL ? raw_syscall(SYS_setresuid, user, user, 0) : result;
}

bool has_same_rights(const wire::Caller& a, const wire::Caller& b) {
  return a.user == b.user && a.group == b.group && a.group_count == b.group_count &&
         std::equal(a.groups.begin(), a.groups.begin() + a.group_count, b.groups.begin());
}

bool has_effective_capabilities() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (raw_syscall(SYS_capget, &header, data) != 0) return true;
  return data[0].effective != 0 || data[1].effective != 0;
}

}  // namespace

ThreadIdentity::Powers ThreadIdentity::powers_of_process() {
  const auto user = static_cast<std::uint32_t>(raw_syscall(SYS_geteuid));
  return {.can_change = user == 0, .user = user};
}

bool ThreadIdentity::fits(Need need, const wire::Caller& caller) const {
  if (need == Need::kNothing) return true;
  if (!powers_.can_change) return true;
  if (need == Need::kAgent) return is_ == Is::kAgent;
  return is_ == Is::kCaller && has_same_rights(caller_, caller);
}

Status ThreadIdentity::become(Need need, const wire::Caller& caller) {
  if (need == Need::kCaller && !powers_.can_change && caller.user != powers_.user) {
    return fail(EACCES, "identity: this agent is not root and executes for its own user only");
  }
  if (fits(need, caller)) return {};
  ++changes_;
  return need == Need::kAgent ? become_agent() : become_caller(caller);
}

Status ThreadIdentity::become_agent() {
  is_ = Is::kUnknown;
  // The saved ids are 0: back without any capability; the effective set returns with the user.
  if (raw_syscall(SYS_setresuid, 0, 0, 0) != 0) return fail(EACCES, "identity: setresuid back");
  if (raw_syscall(SYS_setresgid, 0, 0, 0) != 0) return fail(EACCES, "identity: setresgid back");
  if (raw_syscall(SYS_setgroups, 0, nullptr) != 0) return fail(EACCES, "identity: setgroups back");
  is_ = Is::kAgent;
  return {};
}

Status ThreadIdentity::become_caller(const wire::Caller& caller) {
  if (caller.user == kNoId || caller.group == kNoId) return fail(EACCES, "identity: no such user");
  is_ = Is::kUnknown;
  if (raw_syscall(SYS_setresuid, 0, 0, 0) != 0) return fail(EACCES, "identity: setresuid back");
  if (raw_syscall(SYS_setgroups, caller.group_count, caller.groups.data()) != 0) {
    return fail(EACCES, "identity: setgroups");
  }
  if (raw_syscall(SYS_setresgid, caller.group, caller.group, 0) != 0) return fail(EACCES, "identity: setresgid");
  if (caller.user != 0) {
    if (become_user(caller.user) != 0) return fail(EACCES, "identity: setresuid");
    if (has_effective_capabilities()) return fail(EACCES, "identity: capabilities are left");
  }
  caller_ = caller;
  is_ = Is::kCaller;
  return {};
}

}  // namespace qnet::exec
