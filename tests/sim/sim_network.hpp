// SPDX-License-Identifier: Apache-2.0
//
// sim_network.hpp: how do several engines meet in virtual time?
//
// A discrete event queue, one random generator, and the production engine on every node. The same seed gives the same
// run, datagram by datagram. Hosts stay when their agent crashes: what reaches a dead agent is answered by "refused".
// Every node has a clock of its own, which starts anywhere and may jump forward.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "tests/sim/sim_clock.hpp"
#include "transport/core/engine.hpp"

namespace qnet::sim {

/// What a cable does to each datagram.
struct Faults {
  double loss = 0;
  double burst_begins = 0;  // chance, per datagram, that from now on all are lost (Gilbert-Elliott)
  double burst_ends = 0.2;  // chance, per datagram lost so, that it was the last
  double corruption = 0;    // share of datagrams that arrive cut short
  double flips = 0;         // share of datagrams of which up to 8 bits are inverted; only where all have a CRC
  double duplication = 0;
  double reordering = 0;  // share of datagrams that are late by up to reorder_delay
  Duration delay = std::chrono::microseconds(50);
  Duration jitter = Duration::zero();
  Duration reorder_delay = std::chrono::milliseconds(5);
  std::size_t datagram_bytes_max = std::size_t(-1);  // longer ones vanish
  bool sends_refusals = true;
  double bytes_per_second = 0;                        // of each link and direction; 0: no limit
  Duration queue_max = std::chrono::milliseconds(5);  // what would wait longer is dropped
  std::size_t socket_datagrams_max = 4096;            // of a node that gets no CPU; what would not fit is dropped
};

struct NetworkOptions {
  std::uint64_t seed = 1;
  std::size_t nodes = 2;
  std::size_t links = 1;
  std::size_t datagram_bytes = 1472;
  bool can_batch = true;
  std::uint32_t crc_nodes = 0;  // bit set: all links of these nodes ask for a CRC
  Faults faults;
  std::vector<Faults> link_faults;  // of link 0, 1 …; `faults` where it is too short
  core::EngineConfig config;
  Duration clock_difference_max = Duration::zero();  // between the nodes' clocks
};

/// What becomes of one datagram.
enum class Fate : std::uint8_t {
  kArrives,
  kLost,
  kLate,   ///< by kLateBy
  kTwice,  ///< in time, and once more late
};
inline constexpr Duration kLateBy = std::chrono::milliseconds(4);

/// Whoever uses the engines.
class Application {
 public:
  virtual ~Application() = default;
  virtual void on_event(std::size_t node, core::Event& event) = 0;
  /// The agent of that node has crashed and forgotten everything.
  virtual void on_crash(std::size_t node) = 0;
  /// A datagram is put on the cable.
  virtual void on_carried(std::size_t, std::size_t, std::size_t, ByteView) {}
};

class SimNetwork {
 public:
  /// A run has this many steps at most; more means that somebody spins.
  static constexpr std::uint64_t kStepsMax = 5'000'000;

  SimNetwork(NetworkOptions options, Application& application);

  std::size_t node_count() const { return nodes_.size(); }
  std::size_t link_count() const { return options_.links; }
  Instant now() const { return clock_.now(); }
  /// What the node's own clock shows; its engine must be given nothing else.
  Instant now_at(std::size_t node) const { return clock_.now() + nodes_[node].clock_offset; }
  /// 0 to bound - 1.
  std::uint64_t random(std::uint64_t bound) { return random_() % bound; }
  bool happens(double probability) { return std::uniform_real_distribution<>(0, 1)(random_) < probability; }
  Faults& faults(std::size_t link = 0) { return links_[link]; }
  /// For nodes that start from now on.
  core::EngineConfig& config() { return options_.config; }

  static std::string name_of(std::size_t node) { return std::string(1, static_cast<char>('a' + node)); }
  bool is_running(std::size_t node) const { return nodes_[node].engine != nullptr; }
  core::Engine& engine(std::size_t node) { return *nodes_[node].engine; }
  /// How `node` calls `peer`.
  PeerId peer_id(std::size_t node, std::size_t peer) const;
  std::size_t node_of(std::size_t node, PeerId peer) const;
  /// Of the life that runs, or ran last.
  Incarnation incarnation(std::size_t node) const { return nodes_[node].incarnation; }

  void start(std::size_t node);
  void crash(std::size_t node);
  /// Crashes the node after that many more inputs, events or datagrams sent, whatever it is doing then, and starts it
  /// again after `off`.
  void crash_after(std::size_t node, std::uint64_t happenings, Duration off);
  void call_off_crashes();
  /// The process gets no CPU: what arrives waits in its sockets.
  void pause(std::size_t node, Duration how_long);
  bool is_paused(std::size_t node) const { return now() < nodes_[node].paused_until; }
  /// The node's clock shows that much more at once; nobody was asleep.
  void jump_clock(std::size_t node, Duration by);
  /// Asked about every datagram, besides the faults; may disturb the network itself, but not at once (after()).
  void decide_fates(std::function<Fate(std::size_t source, std::size_t target, std::size_t link)> fate_of) {
    fate_of_ = std::move(fate_of);
  }
  /// Datagrams from `source` to `target` on `link` vanish, or pass again.
  void set_cut(std::size_t source, std::size_t target, std::size_t link, bool is_cut);
  /// The node's end of that link has a carrier, or none: nothing gets out or in. Its engine is told at once; nobody
  /// else is.
  void set_carrier(std::size_t node, std::size_t link, bool has_carrier);
  /// A datagram can get through in both directions on some link.
  bool is_connected(std::size_t a, std::size_t b) const;
  /// The same on that link.
  bool is_connected(std::size_t a, std::size_t b, std::size_t link) const;

  void after(Duration delay, std::function<void()> action);
  /// Hands out events and datagrams of a node; call it after using its engine.
  void pump(std::size_t node);
  void run_for(Duration how_long);
  /// False if `condition` did not come true in time.
  bool run_until(const std::function<bool()>& condition, Duration at_most);
  bool has_spun() const { return steps_ >= kStepsMax; }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t datagrams_carried() const { return datagrams_carried_; }

 private:
  struct Node {
    std::unique_ptr<core::Engine> engine;
    Incarnation incarnation;
    std::uint64_t life = 0;
    Instant wakes_at{};
    bool has_wake = false;
    Instant paused_until{};
    std::size_t waiting = 0;      // datagrams in the sockets of a paused node
    std::uint32_t unplugged = 0;  // bit set of links without a carrier
    Duration clock_offset = Duration::zero();
    std::uint64_t crash_in = 0;  // happenings; 0: not at all
    Duration crash_off = Duration::zero();
  };
  struct Step {
    Instant at;
    std::uint64_t order = 0;
    std::function<void()> action;
    bool operator>(const Step& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  static core::Address address_of(std::size_t node, std::size_t link);
  void post(Instant at, std::function<void()> action);
  bool step(Instant until);
  /// Something happens at the node. False: it has crashed.
  bool happen(std::size_t node);
  bool carry(std::size_t source, const core::Transmit& batch);
  void carry_one(std::size_t source, std::size_t target, std::size_t link, ByteView datagram);
  void flip_bits(std::vector<std::byte>& bytes);
  bool is_lost(std::size_t cable, const Faults& faults);
  void deliver(std::size_t source, std::size_t target, std::size_t link, const std::vector<std::byte>& datagram);
  void arm(std::size_t node);
  void wake(std::size_t node, std::uint64_t life);
  void tell_condition(std::size_t node, std::size_t link);
  bool is_plugged(std::size_t a, std::size_t b, std::size_t link) const;
  std::size_t cut_index(std::size_t source, std::size_t target, std::size_t link) const;

  NetworkOptions options_;
  Application& application_;
  SimClock clock_;
  std::mt19937_64 random_;
  std::vector<Node> nodes_;
  std::vector<Faults> links_;
  std::vector<char> cuts_;        // by cut_index()
  std::vector<char> bursts_;      // a burst of losses has begun
  std::vector<Instant> free_at_;  // when each direction of a link has sent what it has
  std::function<Fate(std::size_t, std::size_t, std::size_t)> fate_of_;
  std::priority_queue<Step, std::vector<Step>, std::greater<>> queue_;
  std::uint64_t order_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t datagrams_carried_ = 0;
};

}  // namespace qnet::sim
