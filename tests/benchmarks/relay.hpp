// SPDX-License-Identifier: Apache-2.0
//
// relay.hpp: what passes between the relay's parties, and how do they wait?
#pragma once

#include <sys/un.h>

#include <cstdint>
#include <string>
#include <vector>

#include "transport/core/address.hpp"

namespace qnet::bench {

inline constexpr std::size_t kRelayBytesMax = 60000;

/// In front of every message, on all hops.
struct RelayHeader {
  std::uint32_t app = 0;          // set by daemon A: which app gets the reply
  std::uint32_t reply_bytes = 0;  // what the app asks for
  std::uint64_t number = 0;       // counted and checked by the app
};

using RelayMessage = std::vector<char>;

struct RelayDaemonOptions {
  core::Address bind, peer;
  std::string local;  // path of the local socket: this is daemon A; empty: daemon B
  bool has_worker = true;
  std::int64_t spin_us = 0;
};

sockaddr_un relay_socket(const std::string& path);

/// Runs until it is killed.
[[noreturn]] void run_relay_daemon(const RelayDaemonOptions& options);

}  // namespace qnet::bench
