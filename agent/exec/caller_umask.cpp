// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/caller_umask.hpp"

#include <sched.h>
#include <sys/stat.h>

namespace qnet::exec {
namespace {

/// False where a sandbox forbids it: then the umask is taken away here, default ACL or not.
bool has_own_umask() {
  thread_local const bool is_own = ::unshare(CLONE_FS) == 0;
  return is_own;
}

}  // namespace

CallerUmask::CallerUmask(std::uint32_t new_mode) : mode_(wire::mode_of(new_mode)) {
  const std::uint32_t umask = wire::umask_of(new_mode);
  if (umask == 0) return;
  is_set_ = has_own_umask();
  if (is_set_) ::umask(umask);
  else mode_ &= ~umask;
}

CallerUmask::~CallerUmask() {
  if (is_set_) ::umask(0);
}

}  // namespace qnet::exec
