// SPDX-License-Identifier: Apache-2.0
//
// stats.hpp: what does `qnet stats` tell? (design D11)
//
// A JSON object of objects of integers: the parts and their counters. Counters only grow; what can fall is in the
// present tense ("open", "in_flight").
//
// Threads:  the strand.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/handle_keeper.hpp"
#include "agent/kernel_files.hpp"
#include "agent/link_pump.hpp"
#include "agent/local_server.hpp"
#include "agent/lock_watch.hpp"
#include "agent/owner_service.hpp"
#include "agent/router.hpp"

namespace qnet::agent {

struct StatisticsPart {
  std::string name;
  std::vector<std::pair<std::string, std::uint64_t>> counters;
};

std::string statistics_text(const std::vector<StatisticsPart>& parts);

StatisticsPart of(const core::EngineStatistics& engine);
StatisticsPart of(const LinkPump& pump);
StatisticsPart of(const exec::ExecutorStatistics& executor);
StatisticsPart of(const LocalHandles& handles, const HandleKeeper& keeper, const LockWatch& locks,
                  const Barriers& barriers);
StatisticsPart of(const KernelFiles& files);
StatisticsPart of(const Router& router);
StatisticsPart of(const NodeCalls& calls);
StatisticsPart of(const OwnerService& owner);
StatisticsPart of(const LocalServer& server);
StatisticsPart of(std::string name, const CallerLimits& limits);

}  // namespace qnet::agent
