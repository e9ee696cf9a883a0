// SPDX-License-Identifier: Apache-2.0
//
// spawn_actions.hpp: in which directory will the child of a posix_spawn(3) look for its program?
//
// Threads:  any; different action objects at once.
#pragma once

#include <spawn.h>

namespace qnet::preload {

enum class SpawnDirectory { kUnchanged, kLocal, kRemote };

/// What the last file action about it says. kRemote: `fd` is the directory, as open_working_directory() gives it.
SpawnDirectory directory_of(const posix_spawn_file_actions_t* actions, int& fd);

}  // namespace qnet::preload
