// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "agent/cli/cli.hpp"
#include "agent/client/client.hpp"

namespace qnet::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

constexpr auto kInterval = std::chrono::milliseconds(200);

/// One request through both agents and the owner's executor: the attributes of the node's root directory.
Status round_trip(const std::string& node) {
  client::Exchange exchange;
  client::CallOptions options;
  const wire::GetAttributesRequest request{.flags = 0, .path = "/"};
  const auto reply = client::call<wire::GetAttributesReply>(
      wire::Opcode::kGetAttributes, {.target = node, .handle = {}, .path = "/"}, request, exchange, options);
  if (!reply) return fail(reply.error());
  return {};
}

/// Why `node` does not answer, as the agent's list says.
std::string reason_of(const std::string& node) {
  std::string room;
  const auto bytes = ask(wire::Opcode::kListNodes, room);
  if (!bytes) return "";
  const auto nodes = entries_of<wire::NodeEntry>(*bytes);
  if (!nodes) return "";
  const std::string name = node.substr(0, node.find('~'));
  const auto found = std::ranges::find(*nodes, name, &wire::NodeEntry::name);
  if (found == nodes->end() || found->reason.empty()) return "";
  return std::string(found->reason) + " since " + time_text(found->since_s);
}

int complain_about_node(const std::string& node, int error) {
  if (error == ENONET) return complain_about_agent(error);
  if (error == ENOENT) return complain(node + ": no such node", 1);
  const std::string reason = reason_of(node);
  return complain(node + " does not answer: " + (reason.empty() ? std::strerror(error) : reason), 1);
}

void print_json(const std::string& node, unsigned count, const std::vector<double>& times_us) {
  nlohmann::ordered_json report = {
      {"node", node}, {"sent", count}, {"answered", times_us.size()}, {"times_us", times_us}};
  std::printf("%s\n", report.dump(2).c_str());
}

void print_summary(const std::string& node, std::vector<double> times_us) {
  std::ranges::sort(times_us);
  std::printf("%s: %zu answers, min %.0f us, median %.0f us, max %.0f us\n", node.c_str(), times_us.size(),
              times_us.front(), times_us[times_us.size() / 2], times_us.back());
}

}  // namespace

int ping_command(const std::string& node, unsigned count, bool as_json) {
  std::vector<double> times_us;
  int error = 0;
  unsigned sent = 0;
  for (; sent < count && error == 0; ++sent) {
    if (sent > 0) std::this_thread::sleep_for(kInterval);
    const Clock::time_point began = Clock::now();
    const Status answered = round_trip(node);
    const double time_us = Microseconds(Clock::now() - began).count();
    if (!answered) {
      error = answered.error().code;
      continue;
    }
    times_us.push_back(time_us);
    if (!as_json) std::printf("answer from %s: %u, %.0f us\n", node.c_str(), sent + 1, time_us);
    std::fflush(stdout);
  }
  if (as_json) print_json(node, sent, times_us);
  if (error != 0) return complain_about_node(node, error);
  if (!as_json) print_summary(node, times_us);
  return 0;
}

}  // namespace qnet::cli
