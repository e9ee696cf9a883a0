// SPDX-License-Identifier: Apache-2.0
//
// exhaustive_sim_test.cpp: do the promises of sim_workload.hpp hold under every combination of few faults?
//
// Two nodes, two links, one call in each direction at the same time. A fault is a kind and the number of the datagram
// that it befalls; every set of up to kFaultsMax of them is run, so that nothing hangs on what a seed happens to
// choose. A set that fails prints itself. QNET_SIM_FAULTS changes the size of the sets (sanitizers are slow); --quick
// takes one less.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "tests/sim/fault_plan.hpp"

namespace qnet::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFaultsMax = 3;
/// Datagrams of the calls that faults can befall; a run without faults has fewer.
constexpr std::size_t kDatagrams = 14;
/// Longer than a link or a peer takes to be given up, shorter than a session is held.
constexpr Duration kOutage = 120ms;
constexpr std::size_t kSlices = 8;

enum class Kind : std::uint8_t { kLost, kLate, kTwice, kCut, kCrash, kPause };
constexpr std::array kNames{"lost", "late", "twice", "link cut", "receiver crashes", "receiver pauses"};

struct Fault {
  Kind kind{};
  std::size_t datagram = 0;
};

constexpr std::size_t kFaultCount = kNames.size() * kDatagrams;

Fault fault_of(std::size_t number) {
  return {static_cast<Kind>(number % kNames.size()), number / kNames.size()};
}

std::size_t faults_wanted() {
  if (const char* text = std::getenv("QNET_SIM_FAULTS")) return std::strtoul(text, nullptr, 10);
  const char* level = std::getenv("QNET_TEST_LEVEL");
  const bool is_quick = level != nullptr && std::string_view(level) == "quick";
  return is_quick ? kFaultsMax - 1 : kFaultsMax;
}

class Course {
 public:
  explicit Course(std::vector<Fault> faults)
      : faults_(std::move(faults)), workload_(workload_options(), network_options()) {}

  void run() {
    workload_.start();
    workload_.stop();
    SimNetwork& network = workload_.network();
    ASSERT_TRUE(network.run_until([this] { return workload_.is_everybody_up(); }, 1s));
    network.run_for(300ms);
    network.decide_fates(
        [this](std::size_t source, std::size_t target, std::size_t link) { return fate_of(source, target, link); });
    workload_.resume();
    network.run_until([this] { return calls_begun() >= 2; }, 100ms);
    workload_.stop();
    const auto is_over = [this] { return workload_.calls_outstanding() == 0; };
    for (Duration passed{}; passed < 3s && !network.run_until(is_over, 50ms); passed += 50ms) {
      workload_.check_liveness();
      workload_.check_holdings();
    }
    datagrams_ = seen_;
    network.decide_fates({});
    network.run_for(kOutage);
    EXPECT_EQ(workload_.calls_outstanding(), 0u) << "a call never ended";
    expect_recovery(network);
    for (const std::string& violation : workload_.violations()) ADD_FAILURE() << violation;
  }
  std::size_t datagrams() const { return datagrams_; }

 private:
  static WorkloadOptions workload_options() {
    return {.connections = 1, .depth = 1, .bulk_share = 0, .small_bytes_max = 4000, .think_max = 1ms, .work_max = 1ms};
  }
  static NetworkOptions network_options() { return {.seed = 7, .nodes = 2, .links = 2}; }

  std::uint64_t calls_begun() const {
    return workload_.calls_outstanding() + workload_.succeeded() + workload_.failed();
  }

  Fate fate_of(std::size_t source, std::size_t target, std::size_t link) {
    const std::size_t number = seen_++;
    Fate fate = Fate::kArrives;
    for (const Fault& fault : faults_) {
      if (fault.datagram != number) continue;
      switch (fault.kind) {
        case Kind::kLost:
          fate = Fate::kLost;
          break;
        case Kind::kLate:
          fate = Fate::kLate;
          break;
        case Kind::kTwice:
          fate = Fate::kTwice;
          break;
        default:
          disturb(fault.kind, source, target, link);
      }
    }
    return fate;
  }

  void disturb(Kind kind, std::size_t source, std::size_t target, std::size_t link) {
    SimNetwork& network = workload_.network();
    const auto cut = [&network, source, target, link](bool is_cut) {
      network.set_cut(source, target, link, is_cut);
      network.set_cut(target, source, link, is_cut);
    };
    if (kind == Kind::kCut) {
      cut(true);
      network.after(kOutage, [cut] { cut(false); });
    } else if (kind == Kind::kPause) {
      network.pause(target, kOutage);
    } else {
      network.after(Duration::zero(), [&network, target] {
        if (!network.is_running(target)) return;
        network.crash(target);
        network.start(target);
      });
    }
  }

  void expect_recovery(SimNetwork& network) {
    EXPECT_TRUE(network.run_until([this] { return workload_.is_everybody_up(); }, 5s));
    const std::uint64_t before = workload_.succeeded();
    workload_.resume();
    EXPECT_TRUE(network.run_until([&] { return workload_.succeeded() >= before + 2; }, 5s))
        << "calls do not work again";
    workload_.stop();
    EXPECT_TRUE(network.run_until([this] { return workload_.calls_outstanding() == 0; }, 5s));
    network.run_for(100ms);
    workload_.check_quiet();
  }

  const std::vector<Fault> faults_;
  SimWorkload workload_;
  std::size_t seen_ = 0;
  std::size_t datagrams_ = 0;
};

std::string to_text(const std::vector<Fault>& faults) {
  std::string text = "faults:";
  for (const Fault& fault : faults) {
    text += " datagram " + std::to_string(fault.datagram) + " " + kNames[static_cast<std::size_t>(fault.kind)] + ";";
  }
  return text;
}

TEST(ExhaustiveSimSizeTest, TheCallsTakeFewerDatagramsThanFaultsAreTriedOn) {
  Course run({});
  run.run();
  EXPECT_GE(run.datagrams(), 4u);
  EXPECT_LE(run.datagrams(), kDatagrams);
}

class ExhaustiveSimTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(ExhaustiveSimTest, EverySetOfFewFaultsKeepsThePromises) {
  const std::size_t wanted = faults_wanted();
  std::size_t sets = 0;
  const auto try_all = [&](const auto& self, std::vector<Fault>& faults, std::size_t from) -> void {
    if (faults.empty() || sets++ % kSlices == GetParam()) {
      SCOPED_TRACE(to_text(faults));
      Course(faults).run();
    }
    if (faults.size() == wanted) return;
    for (std::size_t number = from; number < kFaultCount && !HasFailure(); ++number) {
      faults.push_back(fault_of(number));
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
