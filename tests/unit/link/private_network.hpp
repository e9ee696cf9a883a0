// SPDX-License-Identifier: Apache-2.0
//
// private_network.hpp: how does a test change the network without anybody noticing?
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

namespace qnet::link {

/// Runs `body` in a thread with a network namespace of its own, whose `lo` is up. Needs root: skips the test otherwise.
inline void in_private_network(const std::function<void()>& body) {
  bool has_namespace = false;
  std::thread([&] {
    has_namespace = unshare(CLONE_NEWNET) == 0 && std::system("ip link set lo up") == 0;
    if (has_namespace) body();
  }).join();
  if (!has_namespace) GTEST_SKIP() << "needs root and iproute2 for a network namespace";
}

inline bool run(const std::string& command) {
  return std::system(command.c_str()) == 0;
}

}  // namespace qnet::link
