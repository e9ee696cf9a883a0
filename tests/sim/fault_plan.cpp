// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/fault_plan.hpp"

#include "transport/core/datagram_size.hpp"

namespace qnet::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHoldShort = 1s;

Duration up_to(SimNetwork& network, Duration most) {
  return Duration(network.random(static_cast<std::uint64_t>(most.count())));
}

/// Most faults are short, some outlast the session's hold.
Duration fault_length(SimNetwork& network) {
  return up_to(network, network.random(4) == 0 ? 3s : 800ms);
}

void restart_somebody(SimNetwork& network, Duration within) {
  const std::size_t node = network.random(network.node_count());
  const Duration off = network.random(3) == 0 ? Duration::zero() : up_to(network, 800ms);
  network.after(up_to(network, within), [&network, node, off] {
    if (!network.is_running(node)) return;
    network.crash(node);
    network.after(off, [&network, node] {
      if (!network.is_running(node)) network.start(node);
    });
  });
}

void kill_somebody(SimNetwork& network, Duration within) {
  const std::size_t node = network.random(network.node_count());
  const Duration off = network.random(2) == 0 ? Duration::zero() : up_to(network, 400ms);
  // Few happenings lie between two packets, many are a while: both ends of the scale are of interest.
  const std::uint64_t happenings = 1 + network.random(1ull << (1 + network.random(10)));
  network.after(up_to(network, within),
                [&network, node, happenings, off] { network.crash_after(node, happenings, off); });
}

void cut_a_link(SimNetwork& network, Duration within) {
  const std::size_t a = network.random(network.node_count());
  const std::size_t b = (a + 1 + network.random(network.node_count() - 1)) % network.node_count();
  const std::size_t link = network.random(network.link_count());
  const bool is_one_way = network.random(3) == 0;
  const Duration length = fault_length(network);
  network.after(up_to(network, within), [&network, a, b, link, is_one_way, length] {
    const auto set = [&network, a, b, link, is_one_way](bool is_cut) {
      network.set_cut(a, b, link, is_cut);
      if (!is_one_way || !is_cut) network.set_cut(b, a, link, is_cut);
    };
    set(true);
    network.after(length, [set] { set(false); });
  });
}

void flap_a_link(SimNetwork& network, Duration within) {
  static constexpr Duration kPeriods[] = {20ms, 50ms, 200ms};
  const std::size_t a = network.random(network.node_count());
  const std::size_t b = (a + 1 + network.random(network.node_count() - 1)) % network.node_count();
  const std::size_t link = network.random(network.link_count());
  const Duration period = kPeriods[network.random(std::size(kPeriods))];
  const Duration first = up_to(network, within);
  const auto times = static_cast<std::uint64_t>((within - first) / (2 * period));  // All is over when the plan is.
  for (std::uint64_t i = std::min(times, 1 + network.random(10)); i-- > 0;) {
    const auto set = [&network, a, b, link](bool is_cut) {
      network.set_cut(a, b, link, is_cut);
      network.set_cut(b, a, link, is_cut);
    };
    network.after(first + 2 * i * period, [set] { set(true); });
    network.after(first + (2 * i + 1) * period, [set] { set(false); });
  }
}

void unplug_a_link(SimNetwork& network, Duration within) {
  const std::size_t node = network.random(network.node_count());
  const std::size_t link = network.random(network.link_count());
  const Duration length = fault_length(network);
  network.after(up_to(network, within), [&network, node, link, length] {
    network.set_carrier(node, link, false);
    network.after(length, [&network, node, link] { network.set_carrier(node, link, true); });
  });
}

void swallow_large_datagrams(SimNetwork& network, Duration within) {
  const std::size_t link = network.random(network.link_count());
  const std::size_t most = core::DatagramSize::kBase + network.random(4000);
  const Duration length = fault_length(network);
  network.after(up_to(network, within), [&network, link, most, length] {
    network.faults(link).datagram_bytes_max = most;
    network.after(length, [&network, link] { network.faults(link).datagram_bytes_max = std::size_t(-1); });
  });
}

void partition(SimNetwork& network, Duration within) {
  // Bit i: on which side node i is; both sides have somebody.
  const std::uint64_t sides = 1 + network.random((1ull << network.node_count()) - 2);
  const bool is_one_way = network.random(3) == 0;
  const Duration length = fault_length(network);
  network.after(up_to(network, within), [&network, sides, is_one_way, length] {
    const auto set = [&network, sides, is_one_way](bool is_cut) {
      for (std::size_t a = 0; a < network.node_count(); ++a) {
        for (std::size_t b = 0; b < network.node_count(); ++b) {
          const bool leaves = (sides >> a & 1) != 0 && (sides >> b & 1) == 0;
          const bool returns = (sides >> a & 1) == 0 && (sides >> b & 1) != 0;
          if (!leaves && (!returns || is_one_way)) continue;
          for (std::size_t link = 0; link < network.link_count(); ++link) network.set_cut(a, b, link, is_cut);
        }
      }
    };
    set(true);
    network.after(length, [set] { set(false); });
  });
}

void pause_somebody(SimNetwork& network, Duration within) {
  const std::size_t node = network.random(network.node_count());
  const Duration length = up_to(network, network.random(3) == 0 ? 3s : 200ms);
  network.after(up_to(network, within), [&network, node, length] { network.pause(node, length); });
}

void jump_a_clock(SimNetwork& network, Duration within) {
  const std::size_t node = network.random(network.node_count());
  const Duration by = up_to(network, network.random(3) == 0 ? 1h : 300ms);
  network.after(up_to(network, within), [&network, node, by] { network.jump_clock(node, by); });
}

}  // namespace

FaultPlan plan_for(std::uint64_t seed) {
  std::mt19937_64 dice(seed * 7919 + 1);
  const auto one_in = [&dice](std::uint64_t n) { return dice() % n == 0; };
  FaultPlan plan;
  plan.network.seed = seed;
  plan.network.nodes = 2 + dice() % 2;
  plan.network.links = 1 + dice() % 3;
  plan.network.can_batch = !one_in(3);
  if (one_in(4)) plan.network.datagram_bytes = 1200 + dice() % 8000;
  if (one_in(2)) plan.network.clock_difference_max = 2h;
  Faults& faults = plan.network.faults;
  if (one_in(2)) faults.loss = static_cast<double>(dice() % 20) / 100;
  if (one_in(2)) faults.duplication = static_cast<double>(dice() % 20) / 100;
  if (one_in(2)) faults.reordering = static_cast<double>(dice() % 30) / 100;
  if (one_in(3)) faults.delay = Duration(std::chrono::microseconds(10 + dice() % 3000));
  if (one_in(3)) faults.jitter = Duration(std::chrono::microseconds(1 + dice() % 2000));
  if (one_in(4)) faults.socket_datagrams_max = 1 + dice() % 64;
  faults.sends_refusals = !one_in(3);
  if (one_in(5)) faults.corruption = static_cast<double>(dice() % 5) / 100;
  const bool has_bursts = one_in(5);
  if (has_bursts) faults.burst_begins = static_cast<double>(dice() % 10) / 1000;
  const bool has_unequal_links = one_in(3);
  for (std::size_t i = 0; has_unequal_links && i < plan.network.links; ++i) {
    Faults link = faults;
    if (one_in(2)) link.bytes_per_second = 1e6 * static_cast<double>(1 + dice() % 50);
    if (one_in(2)) link.delay = Duration(std::chrono::microseconds(10 + dice() % 20000));
    if (one_in(3)) link.loss = static_cast<double>(dice() % 10) / 100;
    link.queue_max = 20ms;
    plan.network.link_faults.push_back(link);
  }
  plan.workload.has_policies = one_in(2);
  plan.restarts = one_in(3);
  plan.kills = one_in(3);
  plan.cuts = one_in(2);
  plan.flaps = one_in(4);
  plan.partitions = one_in(3);
  plan.pauses = one_in(4);
  plan.clock_jumps = one_in(4);
  if (one_in(3)) plan.network.config.session_hold = kHoldShort;
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
  if (one_in(4)) {  // Long enough for faults that outlast the hold, and for sessions after them.
    plan.duration = 4s;
    plan.workload.think_max *= 3;
  }
  plan.carriers = one_in(3);
  plan.holes = one_in(4);
  if (one_in(2)) plan.network.crc_nodes = one_in(2) ? ~0u : 1u;
  if (plan.network.crc_nodes == ~0u && one_in(2)) faults.flips = static_cast<double>(dice() % 10) / 100;
  for (Faults& link : plan.network.link_faults) link.flips = faults.flips;
  const bool is_cable_fair =
      faults.loss + faults.corruption + faults.flips <= 0.02 && !has_bursts && !has_unequal_links;
  plan.workload.must_not_fail = is_cable_fair && !plan.restarts && !plan.kills && !plan.cuts && !plan.flaps &&
                                !plan.carriers && !plan.holes && !plan.partitions && !plan.pauses && !plan.clock_jumps;
  return plan;
}

void disturb(SimNetwork& network, const FaultPlan& plan) {
  const auto repeat = [&](bool is_wanted, std::uint64_t least, std::uint64_t more, auto fault) {
    for (std::uint64_t i = is_wanted ? least + network.random(more) : 0; i > 0; --i) fault(network, plan.duration);
  };
  repeat(plan.restarts, 1, 3, restart_somebody);
  repeat(plan.kills, 1, 6, kill_somebody);
  repeat(plan.cuts, 2, 6, cut_a_link);
  repeat(plan.flaps, 1, 3, flap_a_link);
  repeat(plan.carriers, 1, 5, unplug_a_link);
  repeat(plan.holes, 1, 3, swallow_large_datagrams);
  repeat(plan.partitions, 1, 3, partition);
  repeat(plan.pauses, 1, 3, pause_somebody);
  repeat(plan.clock_jumps, 1, 3, jump_a_clock);
}

void heal(SimNetwork& network) {
  for (std::size_t link = 0; link < network.link_count(); ++link) {
    Faults& faults = network.faults(link);
    faults.loss = faults.burst_begins = faults.corruption = faults.duplication = faults.reordering = 0;
    faults.flips = 0;
    faults.datagram_bytes_max = std::size_t(-1);
    faults.burst_ends = 1;
  }
  network.call_off_crashes();
  for (std::size_t a = 0; a < network.node_count(); ++a) {
    if (!network.is_running(a)) network.start(a);
    for (std::size_t b = 0; b < network.node_count(); ++b) {
      for (std::size_t link = 0; link < network.link_count(); ++link) network.set_cut(a, b, link, false);
    }
    for (std::size_t link = 0; link < network.link_count(); ++link) network.set_carrier(a, link, true);
  }
}

}  // namespace qnet::sim
