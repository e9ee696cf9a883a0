// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <numeric>
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

struct Summary {
  double least_us = 0, average_us = 0, median_us = 0, most_us = 0;
};

/// Of at least one answer.
Summary summary_of(std::vector<double> times_us) {
  std::ranges::sort(times_us);
  const double sum_us = std::accumulate(times_us.begin(), times_us.end(), 0.0);
  return {.least_us = times_us.front(),
          .average_us = sum_us / static_cast<double>(times_us.size()),
          .median_us = times_us[times_us.size() / 2],
          .most_us = times_us.back()};
}

double loss_of(unsigned sent, std::size_t answered) {
  return 1.0 - static_cast<double>(answered) / sent;
}

void print_json(const std::string& node, unsigned sent, const std::vector<double>& times_us) {
  nlohmann::ordered_json report = {
      {"node", node}, {"sent", sent}, {"answered", times_us.size()}, {"loss", loss_of(sent, times_us.size())}};
  if (!times_us.empty()) {
    const Summary summary = summary_of(times_us);
    report["min_us"] = summary.least_us;
    report["average_us"] = summary.average_us;
    report["median_us"] = summary.median_us;
    report["max_us"] = summary.most_us;
  }
  report["times_us"] = times_us;
  std::printf("%s\n", report.dump(2).c_str());
}

void print_summary(const std::string& node, unsigned sent, const std::vector<double>& times_us) {
  std::printf("%s: %u sent, %zu answered, %.0f%% loss", node.c_str(), sent, times_us.size(),
              100 * loss_of(sent, times_us.size()));
  if (!times_us.empty()) {
    const Summary summary = summary_of(times_us);
    std::printf("; min %.0f us, average %.0f us, median %.0f us, max %.0f us", summary.least_us, summary.average_us,
                summary.median_us, summary.most_us);
  }
  std::printf("\n");
}

/// Asking again will not change it.
bool is_final(int error) {
  return error == ENONET || error == ENOENT || error == EINVAL;
}

}  // namespace

int ping_command(const std::string& node, unsigned count, bool as_json) {
  std::vector<double> times_us;
  int error = 0;
  unsigned sent = 0;
  while (sent < count && !is_final(error)) {
    if (sent > 0) std::this_thread::sleep_for(kInterval);
    const Clock::time_point began = Clock::now();
    const Status answered = round_trip(node);
    const double time_us = Microseconds(Clock::now() - began).count();
    ++sent;
    error = answered ? 0 : answered.error().code;
    if (answered) times_us.push_back(time_us);
    if (as_json || is_final(error)) continue;
    if (answered) std::printf("answer from %s: %u, %.0f us\n", node.c_str(), sent, time_us);
    else std::printf("no answer from %s: %u, %s\n", node.c_str(), sent, std::strerror(error));
    std::fflush(stdout);
  }
  if (as_json) print_json(node, sent, times_us);
  else if (!is_final(error)) print_summary(node, sent, times_us);
  const bool is_success = !times_us.empty() && !is_final(error);
  return is_success ? 0 : complain_about_node(node, error);
}

}  // namespace qnet::cli
