// SPDX-License-Identifier: Apache-2.0
//
// fault_course.hpp: what happens if certain datagrams meet certain faults?
//
// A fault is a kind and the number of the datagram that it befalls, counted from the first call. Nothing else goes
// wrong, so that a course can be told in a sentence. Used where faults are enumerated or taken from a fuzzer's input.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/sim_workload.hpp"

namespace qnet::sim {

enum class FaultKind : std::uint8_t {
  kLost,
  kLate,
  kTwice,
  kCut,     ///< its link, both ways
  kOneWay,  ///< its link, in its direction
  kCrash,   ///< the receiver's agent, which starts again at once
  kPause,   ///< the receiver gets no CPU
};
inline constexpr std::size_t kFaultKinds = 7;

struct Fault {
  FaultKind kind{};
  std::size_t datagram = 0;
};
/// "datagram 3 lost; datagram 5 receiver crashes;"
std::string to_text(const std::vector<Fault>& faults);

class FaultCourse {
 public:
  /// Of cuts and pauses: longer than a link or a peer takes to be given up, shorter than a session is held.
  static constexpr Duration kOutage = std::chrono::milliseconds(120);

  /// `calls`: no new ones are begun after so many.
  FaultCourse(std::vector<Fault> faults, const WorkloadOptions& workload, const NetworkOptions& network,
              std::uint64_t calls);

  /// Once. Returns the promises that were broken (sim_workload.hpp), as sentences.
  std::vector<std::string> run();
  /// Carried until the last call had ended.
  std::size_t datagrams() const { return datagrams_; }

 private:
  Fate fate_of(std::size_t source, std::size_t target, std::size_t link);
  void disturb(FaultKind kind, std::size_t source, std::size_t target, std::size_t link);
  void converse();
  void expect_recovery();
  void expect(bool is_true, const char* promise);

  const std::vector<Fault> faults_;
  const std::uint64_t calls_;
  SimWorkload workload_;
  SimNetwork& network_;
  std::vector<std::string> broken_;
  std::size_t seen_ = 0;
  std::size_t datagrams_ = 0;
};

}  // namespace qnet::sim
