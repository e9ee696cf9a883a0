// SPDX-License-Identifier: Apache-2.0
//
// simulation_fuzz.cpp: which course of faults breaks a promise of the transport?
//
// The input is a small network and a row of faults, each with the number of datagrams since the one before.
#include <cstdio>

#include "tests/fuzz/choices.hpp"
#include "tests/sim/fault_course.hpp"
#include "transport/base/check.hpp"

namespace qnet::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFaultsMax = 40;
constexpr std::uint64_t kCalls = 12;

void run(fuzz::Choices choices) {
  const std::uint8_t shape = choices.byte();
  NetworkOptions network{.seed = choices.byte() + 1u, .nodes = 2u + (shape & 1u), .links = 1u + (shape >> 1 & 3u) % 3};
  network.can_batch = (shape & 8u) != 0;
  if ((shape & 16u) != 0) network.clock_difference_max = 1h;
  const WorkloadOptions workload{.connections = 1u + (shape >> 5 & 1u),
                                 .depth = 1u + (shape >> 6 & 1u),
                                 .bulk_bytes_max = 20'000,
                                 .think_max = 3ms,
                                 .work_max = 1ms,
                                 .has_policies = (shape & 128u) != 0};
  std::vector<Fault> faults;
  for (std::size_t at = 0; !choices.empty() && faults.size() < kFaultsMax;) {
    const std::uint8_t choice = choices.byte();
    at += choice / kFaultKinds;
    faults.push_back({static_cast<FaultKind>(choice % kFaultKinds), at});
  }
  const std::string text = to_text(faults);
  const std::vector<std::string> broken = FaultCourse(std::move(faults), workload, network, kCalls).run();
  for (const std::string& promise : broken) std::fprintf(stderr, "%s\n", promise.c_str());
  if (!broken.empty()) std::fprintf(stderr, "after: %s\n", text.c_str());
  QNET_CHECK(broken.empty());
}

}  // namespace
}  // namespace qnet::sim

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  qnet::sim::run(qnet::fuzz::Choices(data, size));
  return 0;
}
