// SPDX-License-Identifier: Apache-2.0
//
// lock_exec.hpp: what does the owner do with flock, OFD and POSIX record locks?
#pragma once

#include "agent/exec/operation.hpp"

namespace qnet::exec {

Result<wire::LockWholeReply> execute(op::LockWhole, Call& call, const wire::LockWholeRequest& request);
Result<wire::LockRangeReply> execute(op::LockRange, Call& call, const wire::LockRangeRequest& request);
Result<wire::ReleaseLocksReply> execute(op::ReleaseLocks, Call& call, const wire::ReleaseLocksRequest& request);

}  // namespace qnet::exec
