// SPDX-License-Identifier: Apache-2.0
//
// fault_plan.hpp: what goes wrong in the run of one seed, and how is it repaired?
//
// Each seed switches on a random subset of faults (swarm testing): a run with every fault at once would find less.
#pragma once

#include "tests/sim/sim_workload.hpp"

namespace qnet::sim {

struct FaultPlan {
  NetworkOptions network;
  WorkloadOptions workload;
  bool restarts = false;     // agents killed between two steps
  bool kills = false;        // agents killed at any event or datagram
  bool cuts = false;         // single links, silently, one or both ways
  bool flaps = false;        // single links, several times in a row
  bool carriers = false;     // one node's end of a link, which it notices
  bool holes = false;        // links on which large datagrams vanish for a while
  bool partitions = false;   // every link between two groups of nodes, one or both ways
  bool pauses = false;       // agents without CPU, for up to three seconds
  bool clock_jumps = false;  // forward
  Duration duration = std::chrono::milliseconds(1500);
};

FaultPlan plan_for(std::uint64_t seed);

/// Schedules the plan's faults, each followed by its repair. Works for networks that live until the end.
void disturb(SimNetwork& network, const FaultPlan& plan);

/// Ends every fault at once: all nodes run, all links work.
void heal(SimNetwork& network);

}  // namespace qnet::sim
