// SPDX-License-Identifier: Apache-2.0
#include "preload/remote_call.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include "preload/entry.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {

bool leads_away(const char* path) {
  const KeepErrno keep;
  Routed routed;
  route(AT_FDCWD, path, routed);
  if (routed.is_remote || routed.error != 0) return routed.is_remote;
  const long found = raw_syscall(SYS_faccessat, AT_FDCWD, routed.path, F_OK);
  if (!is_raw_error(found)) return false;
  const int error = static_cast<int>(-found);
  return may_be_symlink(error) && reroute_by_symlink(AT_FDCWD, routed.path, LastLink::kFollow, error, routed);
}

}  // namespace qnet::preload
