// SPDX-License-Identifier: Apache-2.0
//
// session_sim_test.cpp: do the promises of sim_workload.hpp hold under any mix of faults?
//
// Each seed switches on a random subset of faults (swarm testing). QNET_SIM_SEED runs one seed, QNET_SIM_SEEDS that
// many.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/sim_workload.hpp"

namespace qnet::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeedsAtFirst = 200;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// What one seed does to its network.
struct Plan {
  NetworkOptions network;
  WorkloadOptions workload;
  bool restarts = false;
  bool cuts = false;
  bool pauses = false;
};

Plan plan_for(std::uint64_t seed) {
  std::mt19937_64 dice(seed * 7919 + 1);
  const auto one_in = [&dice](std::uint64_t n) { return dice() % n == 0; };
  Plan plan;
  plan.network.seed = seed;
  plan.network.nodes = 2 + dice() % 2;
  plan.network.links = 1 + dice() % 3;
  plan.network.can_batch = !one_in(3);
  if (one_in(4)) plan.network.datagram_bytes = 1200 + dice() % 8000;
  Faults& faults = plan.network.faults;
  if (one_in(2)) faults.loss = static_cast<double>(dice() % 20) / 100;
  if (one_in(2)) faults.duplication = static_cast<double>(dice() % 20) / 100;
  if (one_in(2)) faults.reordering = static_cast<double>(dice() % 30) / 100;
  if (one_in(3)) faults.delay = Duration(std::chrono::microseconds(10 + dice() % 3000));
  if (one_in(3)) faults.jitter = Duration(std::chrono::microseconds(1 + dice() % 2000));
  faults.sends_refusals = !one_in(3);
  plan.restarts = one_in(2);
  plan.cuts = one_in(2);
  plan.pauses = one_in(4);
  if (one_in(4)) plan.network.config.session_hold = 1s;
  if (one_in(4)) {  // The least the engine allows: both kinds of credit run out.
    plan.network.config.connection_credit_bytes = 1;
    plan.network.config.session_credit_bytes = 1;
    plan.workload.bulk_share = 0.2;
    plan.workload.bulk_bytes_max = 600'000;
    plan.workload.think_max = 300ms;
    plan.workload.connections = 3;
  }
  if (one_in(4)) {
    plan.workload.depth = 8;
    plan.workload.think_max *= 2;
  }
  plan.workload.must_not_fail = faults.loss <= 0.02 && !plan.restarts && !plan.cuts && !plan.pauses;
  return plan;
}

/// Restarts, cuts and pauses at random moments, each followed by its repair.
void disturb(SimNetwork& network, const Plan& plan) {
  if (plan.restarts) {
    for (std::uint64_t i = network.random(3) + 1; i > 0; --i) {
      const std::size_t node = network.random(network.node_count());
      const Duration off = network.random(3) == 0 ? Duration::zero() : Duration(network.random(800'000'000));
      network.after(Duration(network.random(1'500'000'000)), [&network, node, off] {
        if (!network.is_running(node)) return;
        network.crash(node);
        network.after(off, [&network, node] {
          if (!network.is_running(node)) network.start(node);
        });
      });
    }
  }
  for (std::uint64_t i = plan.cuts ? 2 + network.random(6) : 0; i > 0; --i) {
    const std::size_t a = network.random(network.node_count());
    const std::size_t b = (a + 1 + network.random(network.node_count() - 1)) % network.node_count();
    const std::size_t link = network.random(network.link_count());
    const bool is_one_way = network.random(3) == 0;
    const Duration length(network.random(1'500'000'000));
    network.after(Duration(network.random(1'500'000'000)), [&network, a, b, link, is_one_way, length] {
      const auto set = [&network, a, b, link, is_one_way](bool is_cut) {
        network.set_cut(a, b, link, is_cut);
        if (!is_one_way || !is_cut) network.set_cut(b, a, link, is_cut);
      };
      set(true);
      network.after(length, [set] { set(false); });
    });
  }
  for (std::uint64_t i = plan.pauses ? 1 + network.random(3) : 0; i > 0; --i) {
    const std::size_t node = network.random(network.node_count());
    const Duration length(network.random(200'000'000));
    network.after(Duration(network.random(1'500'000'000)), [&network, node, length] { network.pause(node, length); });
  }
}

void heal(SimNetwork& network) {
  network.faults().loss = 0;
  network.faults().duplication = 0;
  network.faults().reordering = 0;
  for (std::size_t a = 0; a < network.node_count(); ++a) {
    if (!network.is_running(a)) network.start(a);
    for (std::size_t b = 0; b < network.node_count(); ++b) {
      for (std::size_t link = 0; link < network.link_count(); ++link) network.set_cut(a, b, link, false);
    }
  }
}

void run_seed(std::uint64_t seed) {
  SCOPED_TRACE("replay: QNET_SIM_SEED=" + std::to_string(seed) +
               " build/bin/qnet_sim_tests --gtest_filter=SessionSimTest.KeepsItsPromisesUnderAnyMixOfFaults");
  const Plan plan = plan_for(seed);
  SimWorkload workload(plan.workload, plan.network);
  SimNetwork& network = workload.network();
  workload.start();
  disturb(network, plan);
  for (int i = 0; i < 30; ++i) {
    network.run_for(50ms);
    workload.check_liveness();
  }
  workload.stop();
  network.run_for(2s);
  heal(network);
  EXPECT_TRUE(network.run_until([&] { return workload.calls_outstanding() == 0; }, 20s))
      << workload.calls_outstanding() << " calls never ended";
  EXPECT_TRUE(network.run_until([&] { return workload.is_everybody_up(); }, 3s)) << "the nodes do not find each other";
  network.run_for(2s);
  // Idle: one probe and its answer per second, path and direction, and as much again for doubt.
  const std::uint64_t before = network.datagrams_carried();
  network.run_for(4s);
  const std::uint64_t pairs = network.node_count() * (network.node_count() - 1);
  EXPECT_LE(network.datagrams_carried() - before, 4 * pairs * network.link_count() * 2 * 2) << "not quiet when idle";
  if (std::getenv("QNET_SIM_VERBOSE") != nullptr) {
    std::printf(
        "seed %llu: %llu calls done, %llu failed, %llu peers lost, %llu datagrams, %llu steps\n",
        static_cast<unsigned long long>(seed), static_cast<unsigned long long>(workload.succeeded()),
        static_cast<unsigned long long>(workload.failed()), static_cast<unsigned long long>(workload.peers_lost()),
        static_cast<unsigned long long>(network.datagrams_carried()), static_cast<unsigned long long>(network.steps()));
  }
  EXPECT_FALSE(network.has_spun());
  EXPECT_GT(workload.succeeded(), 0u);
  for (const std::string& violation : workload.violations()) ADD_FAILURE() << violation;
}

TEST(SessionSimTest, KeepsItsPromisesUnderAnyMixOfFaults) {
  if (const std::uint64_t seed = number_from_environment("QNET_SIM_SEED", 0)) return run_seed(seed);
  const std::uint64_t seeds = number_from_environment("QNET_SIM_SEEDS", kSeedsAtFirst);
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) run_seed(seed);
}

}  // namespace
}  // namespace qnet::sim
