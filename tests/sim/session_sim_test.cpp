// SPDX-License-Identifier: Apache-2.0
//
// session_sim_test.cpp: do the promises of sim_workload.hpp hold under any mix of faults?
//
// kSeeds runs, each with the faults that fault_plan.hpp chooses for its seed, in kSlices tests so that every core has
// some. QNET_SIM_SEEDS runs that many, QNET_SIM_SEED that one (in the first slice), QNET_SIM_VERBOSE tells of each.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "tests/sim/fault_plan.hpp"

namespace qnet::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 1000;
constexpr std::uint64_t kSeedsLong = 20'000;
constexpr std::uint64_t kSlices = 10;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t seeds_to_run() {
  const char* level = std::getenv("QNET_TEST_LEVEL");
  const bool is_long = level != nullptr && std::string_view(level) == "long";
  return number_from_environment("QNET_SIM_SEEDS", is_long ? kSeedsLong : kSeeds);
}

void tell(std::uint64_t seed, const SimWorkload& workload, const SimNetwork& network) {
  std::printf(
      "seed %llu: %llu calls done, %llu failed, %llu peers lost, %llu datagrams, %llu steps\n",
      static_cast<unsigned long long>(seed), static_cast<unsigned long long>(workload.succeeded()),
      static_cast<unsigned long long>(workload.failed()), static_cast<unsigned long long>(workload.peers_lost()),
      static_cast<unsigned long long>(network.datagrams_carried()), static_cast<unsigned long long>(network.steps()));
}

void run_seed(std::uint64_t seed) {
  SCOPED_TRACE("replay: QNET_SIM_SEED=" + std::to_string(seed) +
               " build/bin/qnet_sim_tests --gtest_filter='*KeepsItsPromisesUnderAnyMixOfFaults/0'");
  const FaultPlan plan = plan_for(seed);
  SimWorkload workload(plan.workload, plan.network);
  SimNetwork& network = workload.network();
  workload.start();
  disturb(network, plan);
  for (Duration passed{}; passed < plan.duration; passed += 50ms) {
    network.run_for(50ms);
    workload.check_liveness();
    workload.check_holdings();
  }
  workload.stop();
  network.run_for(2s);
  workload.check_holdings();
  heal(network);
  EXPECT_TRUE(network.run_until([&] { return workload.calls_outstanding() == 0; }, 20s))
      << workload.calls_outstanding() << " calls never ended";
  EXPECT_TRUE(network.run_until([&] { return workload.is_everybody_up(); }, 5s)) << "the nodes do not find each other";
  const std::uint64_t before_heal = workload.succeeded();
  workload.resume();
  EXPECT_TRUE(network.run_until([&] { return workload.succeeded() > before_heal; }, 5s)) << "calls do not work again";
  workload.stop();
  EXPECT_TRUE(network.run_until([&] { return workload.calls_outstanding() == 0; }, 5s)) << "late calls never ended";
  EXPECT_TRUE(network.run_until([&] { return workload.is_every_link_up(); }, 15s)) << "a link is not used again";
  network.run_for(2s);
  // Idle: one probe and its answer per second, path and direction, and as much again for doubt.
  const std::uint64_t before = network.datagrams_carried();
  network.run_for(4s);
  const std::uint64_t pairs = network.node_count() * (network.node_count() - 1);
  EXPECT_LE(network.datagrams_carried() - before, 4 * pairs * network.link_count() * 2 * 2) << "not quiet when idle";
  workload.check_quiet();
  if (std::getenv("QNET_SIM_VERBOSE") != nullptr) tell(seed, workload, network);
  EXPECT_FALSE(network.has_spun());
  for (const std::string& violation : workload.violations()) ADD_FAILURE() << violation;
}

class SessionSimTest : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(SessionSimTest, KeepsItsPromisesUnderAnyMixOfFaults) {
  if (const std::uint64_t seed = number_from_environment("QNET_SIM_SEED", 0)) {
    if (GetParam() == 0) run_seed(seed);
    return;
  }
  const std::uint64_t last = seeds_to_run();
  for (std::uint64_t seed = 1 + GetParam(); seed <= last && !HasFailure(); seed += kSlices) run_seed(seed);
}

INSTANTIATE_TEST_SUITE_P(Slice, SessionSimTest, ::testing::Range<std::uint64_t>(0, kSlices));

}  // namespace
}  // namespace qnet::sim
