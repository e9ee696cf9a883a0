// SPDX-License-Identifier: Apache-2.0
//
// exhaustive_sim_test.cpp: do the promises of sim_workload.hpp hold under every combination of few faults?
//
// Two nodes, two links, one call in each direction at the same time. A fault is a kind and the number of the datagram
// that it befalls; every set of up to kFaultsMax of them is run, so that nothing hangs on what a seed happens to
// choose. A set that fails prints itself. QNET_SIM_FAULTS changes the size of the sets (sanitizers are slow); --quick
// takes one less.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "tests/sim/fault_course.hpp"

namespace qnet::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFaultsMax = 3;
/// Datagrams that faults can befall; without faults two calls take fewer.
constexpr std::size_t kDatagrams = 14;
constexpr std::size_t kFaultCount = kFaultKinds * kDatagrams;
constexpr std::size_t kSlices = 8;

FaultCourse make_course(const std::vector<Fault>& faults) {
  return {faults,
          {.connections = 1, .depth = 1, .bulk_share = 0, .small_bytes_max = 4000, .think_max = 1ms, .work_max = 1ms},
          {.seed = 7, .nodes = 2, .links = 2},
          2};
}

std::size_t faults_wanted() {
  if (const char* text = std::getenv("QNET_SIM_FAULTS")) return std::strtoul(text, nullptr, 10);
  const char* level = std::getenv("QNET_TEST_LEVEL");
  const bool is_quick = level != nullptr && std::string_view(level) == "quick";
  return is_quick ? kFaultsMax - 1 : kFaultsMax;
}

TEST(ExhaustiveSimSizeTest, TwoCallsTakeFewerDatagramsThanFaultsAreTriedOn) {
  FaultCourse course = make_course({});
  EXPECT_EQ(course.run(), std::vector<std::string>{});
  EXPECT_GE(course.datagrams(), 4u);
  EXPECT_LE(course.datagrams(), kDatagrams);
}

class ExhaustiveSimTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(ExhaustiveSimTest, EverySetOfFewFaultsKeepsThePromises) {
  const std::size_t wanted = faults_wanted();
  std::size_t sets = 0;
  const auto try_all = [&](const auto& self, std::vector<Fault>& faults, std::size_t from) -> void {
    if (sets++ % kSlices == GetParam()) {
      EXPECT_EQ(make_course(faults).run(), std::vector<std::string>{}) << to_text(faults);
    }
    if (faults.size() == wanted) return;
    for (std::size_t number = from; number < kFaultCount && !HasFailure(); ++number) {
      faults.push_back({static_cast<FaultKind>(number % kFaultKinds), number / kFaultKinds});
      self(self, faults, number + 1);
      faults.pop_back();
    }
  };
  std::vector<Fault> faults;
  try_all(try_all, faults, 0);
}

INSTANTIATE_TEST_SUITE_P(Slice, ExhaustiveSimTest, ::testing::Range<std::size_t>(0, kSlices));

}  // namespace
}  // namespace qnet::sim
