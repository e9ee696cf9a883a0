// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/fault_course.hpp"

#include <array>

namespace qnet::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::array<const char*, kFaultKinds> kNames{
    "lost", "late", "twice", "link cut", "link cut one way", "receiver crashes", "receiver pauses"};

}  // namespace

std::string to_text(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults) {
    text += "datagram " + std::to_string(fault.datagram) + " " + kNames[static_cast<std::size_t>(fault.kind)] + "; ";
  }
  return text;
}

FaultCourse::FaultCourse(std::vector<Fault> faults, const WorkloadOptions& workload, const NetworkOptions& network,
                         std::uint64_t calls)
    : faults_(std::move(faults)), calls_(calls), workload_(workload, network), network_(workload_.network()) {}

std::vector<std::string> FaultCourse::run() {
  workload_.start();
  workload_.stop();
  expect(network_.run_until([this] { return workload_.is_everybody_up(); }, 1s), "the nodes do not find each other");
  network_.run_for(300ms);
  network_.decide_fates(
      [this](std::size_t source, std::size_t target, std::size_t link) { return fate_of(source, target, link); });
  converse();
  network_.decide_fates({});
  network_.run_for(kOutage);
  expect(workload_.calls_outstanding() == 0, "(e) a call never ended");
  expect_recovery();
  broken_.insert(broken_.end(), workload_.violations().begin(), workload_.violations().end());
  return broken_;
}

void FaultCourse::expect(bool is_true, const char* promise) {
  if (!is_true) broken_.emplace_back(promise);
}

void FaultCourse::converse() {
  const auto begun = [this] {
    return workload_.calls_outstanding() + workload_.succeeded() + workload_.failed() >= calls_;
  };
  const auto is_over = [this] { return workload_.calls_outstanding() == 0; };
  workload_.resume();
  network_.run_until(begun, 1s);
  workload_.stop();
  for (Duration passed{}; passed < 3s && !network_.run_until(is_over, 50ms); passed += 50ms) {
    workload_.check_liveness();
    workload_.check_holdings();
  }
  datagrams_ = seen_;
}

Fate FaultCourse::fate_of(std::size_t source, std::size_t target, std::size_t link) {
  const std::size_t number = seen_++;
  Fate fate = Fate::kArrives;
  for (const Fault& fault : faults_) {
    if (fault.datagram != number) continue;
    if (fault.kind == FaultKind::kLost) fate = Fate::kLost;
    else if (fault.kind == FaultKind::kLate) fate = Fate::kLate;
    else if (fault.kind == FaultKind::kTwice) fate = Fate::kTwice;
    else disturb(fault.kind, source, target, link);
  }
  return fate;
}

void FaultCourse::disturb(FaultKind kind, std::size_t source, std::size_t target, std::size_t link) {
  if (kind == FaultKind::kPause) return network_.pause(target, kOutage);
  if (kind == FaultKind::kCrash) {
    return network_.after(Duration::zero(), [this, target] {
      if (!network_.is_running(target)) return;
      network_.crash(target);
      network_.start(target);
    });
  }
  const auto cut = [this, source, target, link, is_one_way = kind == FaultKind::kOneWay](bool is_cut) {
    network_.set_cut(source, target, link, is_cut);
    if (!is_one_way) network_.set_cut(target, source, link, is_cut);
  };
  cut(true);
  network_.after(kOutage, [cut] { cut(false); });
}

void FaultCourse::expect_recovery() {
  expect(network_.run_until([this] { return workload_.is_everybody_up(); }, 5s),
         "the nodes do not find each other again");
  const std::uint64_t before = workload_.succeeded();
  workload_.resume();
  expect(network_.run_until([&] { return workload_.succeeded() >= before + 2; }, 5s), "calls do not work again");
  workload_.stop();
  expect(network_.run_until([this] { return workload_.calls_outstanding() == 0; }, 5s), "(e) a late call never ended");
  // What an exclusive connection has left is told when its link is used again.
  expect(network_.run_until([this] { return workload_.is_every_link_up(); }, 15s), "a link is not used again");
  network_.run_for(500ms);
  workload_.check_quiet();
  expect(!network_.has_spun(), "somebody spins");
}

}  // namespace qnet::sim
