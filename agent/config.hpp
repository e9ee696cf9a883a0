// SPDX-License-Identifier: Apache-2.0
//
// config.hpp: which settings has the agent, in which unit, with which default?
//
// `qnetd --help` prints them from the same list. Times are given with a unit: 250ms, 10s, 500us.
//
// Threads:  the main one, at start.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/caller_limits.hpp"
#include "agent/exec/executor.hpp"
#include "transport/core/engine.hpp"
#include "transport/link/link_driver.hpp"

namespace qnet::agent {

struct LinkSetting {
  std::string name;     // "en0"
  std::string address;  // "udp:10.71.0.1:8204"
  bool has_crc = false;
  link::LinkOptions options;
};

struct PathSetting {
  std::string link;
  std::string address;
};

struct PeerSetting {
  std::string name;
  std::vector<PathSetting> paths;
};

struct Config {
  std::string name;
  std::vector<LinkSetting> links;
  std::vector<PeerSetting> peers;
  std::string socket;
  std::string prefix = "/net";
  std::string state_directory;
  std::string log_level = "info";
  bool has_fuse = true;
  Duration busy_wait = std::chrono::microseconds(100);
  std::size_t local_connections_max = 4096;
  std::size_t local_handles_max = 65536;
  CallerLimitsConfig caller_limits;
  core::EngineConfig engine;
  exec::ExecutorConfig executor;
};

/// What main() must do instead of running: print `text` and end with `status`.
struct Refusal {
  int status = 0;  // 0 --help and the like (standard output), 1 this machine, 2 the command line
  std::string text;
};

/// Fills `config`; nothing if the agent may run.
std::optional<Refusal> parse_command_line(int count, const char* const* arguments, Config& config);

}  // namespace qnet::agent
