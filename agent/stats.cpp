// SPDX-License-Identifier: Apache-2.0
#include "agent/stats.hpp"

#include <fmt/format.h>

namespace qnet::agent {

std::string statistics_text(const std::vector<StatisticsPart>& parts) {
  std::string text = "{";
  for (const StatisticsPart& part : parts) {
    text += fmt::format("{}\"{}\":{{", text.size() > 1 ? "," : "", part.name);
    const char* comma = "";
    for (const auto& [name, value] : part.counters) {
      text += fmt::format("{}\"{}\":{}", comma, name, value);
      comma = ",";
    }
    text += "}";
  }
  return text + "}";
}

StatisticsPart of(const core::EngineStatistics& engine) {
  return {"engine",
          {{"datagrams_received", engine.datagrams_received},
           {"datagrams_sent", engine.datagrams_sent},
           {"bytes_received", engine.bytes_received},
           {"bytes_sent", engine.bytes_sent},
           {"datagrams_malformed", engine.datagrams_malformed},
           {"datagrams_corrupt", engine.datagrams_corrupt},
           {"datagrams_unknown", engine.datagrams_unknown},
           {"frames_retransmitted", engine.frames_retransmitted},
           {"frames_duplicate", engine.frames_duplicate},
           {"messages_sent", engine.messages_sent},
           {"messages_delivered", engine.messages_delivered},
           {"sessions_opened", engine.sessions_opened},
           {"sessions_lost", engine.sessions_lost},
           {"paths_down", engine.paths_down},
           {"probe_timeouts", engine.probe_timeouts},
           {"packets_rescued", engine.packets_rescued},
           {"connections_lost", engine.connections_lost},
           {"controls_dropped", engine.controls_dropped},
           {"wakes", engine.wakes},
           {"wakes_late_1ms", engine.wakes_late_1ms},
           {"wakes_late_5ms", engine.wakes_late_5ms},
           {"wakes_late_20ms", engine.wakes_late_20ms},
           {"wakes_late_100ms", engine.wakes_late_100ms},
           {"wake_latest_us", engine.wake_latest_us}}};
}

StatisticsPart of(const LinkPump& pump) {
  StatisticsPart part{"links", {{"sends_blocked", pump.blocked_sends()}}};
  for (std::uint8_t i = 0; i < pump.size(); ++i) {
    const std::string& name = pump.name_of(LinkId{i});
    const link::LinkStatistics& link = pump.driver_of(LinkId{i}).statistics();
    part.counters.emplace_back(name + "_send_calls", link.send_calls);
    part.counters.emplace_back(name + "_receive_calls", link.receive_calls);
    part.counters.emplace_back(name + "_send_errors", link.send_errors);
    part.counters.emplace_back(name + "_kernel_drops", link.kernel_drops);
  }
  return part;
}

StatisticsPart of(const exec::ExecutorStatistics& executor) {
  return {"executor",
          {{"requests", executor.requests},
           {"replies_failed", executor.replies_failed},
           {"cancelled", executor.cancelled},
           {"handles_open", executor.handles_open},
           {"handles_opened", executor.handles_opened},
           {"workers", executor.workers},
           {"identity_changes", executor.identity_changes},
           {"locks_held", executor.locks_held}}};
}

StatisticsPart of(const LocalHandles& handles, const HandleKeeper& keeper, const LockWatch& locks,
                  const Barriers& barriers) {
  return {"local_handles",
          {{"open", handles.size()},
           {"opened", handles.created()},
           {"closed", keeper.statistics().closes},
           {"stray_writes", keeper.statistics().stray_writes},
           {"stray_bytes", keeper.statistics().stray_bytes},
           {"stray_bytes_lost", keeper.statistics().stray_bytes_lost},
           {"processes_with_locks", locks.size()},
           {"barriers", barriers.size()}}};
}

StatisticsPart of(const KernelFiles& files) {
  return {"kernel_descriptors",
          {{"available", files.is_available() ? 1 : 0},
           {"open", files.open()},
           {"opened", files.statistics().opened},
           {"requests", files.statistics().requests},
           {"interrupted", files.statistics().interrupted}}};
}

StatisticsPart of(const Router& router) {
  const Router::Statistics& counted = router.statistics();
  return {"requests",
          {{"received", counted.requests},
           {"opened", counted.opened},
           {"cancelled", counted.cancelled},
           {"handles_refused", counted.refused_handles},
           {"held", counted.held},
           {"held_too_long", counted.held_too_long},
           {"holding", router.holding()}}};
}

StatisticsPart of(const NodeCalls& calls) {
  const NodeCalls::Statistics& counted = calls.statistics();
  return {"calls",
          {{"started", counted.started},
           {"in_flight", calls.in_flight()},
           {"lost_with_peer", counted.lost_with_peer},
           {"late_replies", counted.late_replies},
           {"alien_replies", counted.alien_replies},
           {"deferred", counted.deferred}}};
}

StatisticsPart of(const OwnerService& owner) {
  const OwnerService::Statistics& counted = owner.statistics();
  return {"served",
          {{"requests", counted.requests},
           {"in_flight", owner.in_flight()},
           {"malformed", counted.malformed},
           {"replies_undeliverable", counted.replies_undeliverable}}};
}

StatisticsPart of(const LocalServer& server) {
  return {"local_connections",
          {{"open", server.sessions()},
           {"accepted", server.statistics().accepted},
           {"refused", server.statistics().refused},
           {"cut_off", server.statistics().cut_off}}};
}

StatisticsPart of(std::string name, const CallerLimits& limits) {
  return {std::move(name),
          {{"bytes_held", limits.bytes_held()},
           {"requests_refused", limits.statistics().requests_refused},
           {"bytes_refused", limits.statistics().bytes_refused}}};
}

}  // namespace qnet::agent
