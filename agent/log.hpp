// SPDX-License-Identifier: Apache-2.0
//
// log.hpp: how does the agent tell its operator what happens?
//
// One line per event on stderr (systemd's way), "key=value" pairs, so that `grep request=` follows one operation
// across two nodes; what no call asks for (a last close, the locks of a process that ended) says reason=. Lines that a
// hostile process or peer can cause are at debug level and counted in stats.hpp.
//
// Threads:  any, after set_up_log().
#pragma once

#include <spdlog/spdlog.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace qnet::agent {

/// `level`: error, warn, info, debug, trace. False for another word.
bool set_up_log(const std::string& level);

/// Set by set_up_log(): a request passes several such questions, and the answer never changes.
inline bool is_debug_logged = false;

/// Ask before building the arguments of a line on the way of a request.
inline bool logs_debug() {
  return is_debug_logged;
}

/// The request as it stands in every line about it, on both nodes: "a/0000000000000007" is one that node a has made.
inline std::string request_text(std::string_view node, std::uint64_t request) {
  return fmt::format("{}/{:016x}", node, request);
}

}  // namespace qnet::agent
