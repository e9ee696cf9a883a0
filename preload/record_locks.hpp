// SPDX-License-Identifier: Apache-2.0
//
// record_locks.hpp: what do fcntl(2)'s record locks mean on a remote descriptor?
//
// The owner's kernel holds them, so that all nodes see each other's. POSIX locks belong to this process, OFD locks to
// the open file description.
#pragma once

#include <fcntl.h>

#include "preload/fd_table.hpp"

namespace qnet::preload {

/// F_GETLK, F_SETLK, F_SETLKW and their OFD forms. Returns as fcntl(2).
int lock_record(const RemoteFd& file, int command, struct flock* lock);

}  // namespace qnet::preload
