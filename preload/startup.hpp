// SPDX-License-Identifier: Apache-2.0
//
// startup.hpp: what must happen when a process begins a new life?
#pragma once

namespace qnet::preload {

/// In the child, before anything else. Called by pthread_atfork; needed after _Fork() and raw system calls. May be
/// called twice.
void after_fork_in_child();

}  // namespace qnet::preload
