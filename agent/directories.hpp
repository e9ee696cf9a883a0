// SPDX-License-Identifier: Apache-2.0
//
// directories.hpp: how do the agent's own directories come into being?
#pragma once

#include <sys/types.h>

#include <string>

#include "transport/base/result.hpp"

namespace qnet::agent {

/// mkdir -p: creates what is missing with `mode` (the umask does not count), leaves alone what is there.
Status make_directories(const std::string& path, mode_t mode);

/// "/run/qnet/agent.sock" → "/run/qnet"; "agent.sock" → ".".
std::string parent_directory(const std::string& path);

}  // namespace qnet::agent
