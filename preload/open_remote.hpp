// SPDX-License-Identifier: Apache-2.0
//
// open_remote.hpp: how does a routed path become a descriptor?
#pragma once

#include <linux/openat2.h>
#include <sys/types.h>

#include "preload/route.hpp"

namespace qnet::preload {

/// The remote half of open(2): flags and mode as the program gave them, the umask is added here.
Result<int> open_remote(const Routed& routed, client::Exchange& exchange, int flags, mode_t mode);

/// openat2(2). Remotely only what open(2) can do: ENOSYS for its restrictions on the way (callers have a fallback).
int open_by_how(int dirfd, const char* path, const open_how* how, std::size_t size);

}  // namespace qnet::preload
