// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "agent/cli/cli.hpp"

namespace qnet::cli {
namespace {

const char* text_of(std::uint8_t state) {
  switch (static_cast<wire::NodeState>(state)) {
    case wire::NodeState::kSelf:
      return "self";
    case wire::NodeState::kUp:
      return "up";
    case wire::NodeState::kDown:
      return "down";
  }
  return "unknown";
}

void print_table(const std::vector<wire::NodeEntry>& nodes) {
  std::size_t width = 4;
  for (const wire::NodeEntry& node : nodes) width = std::max(width, node.name.size());
  std::printf("%-*s  %-5s  %-19s  %5s  %s\n", static_cast<int>(width), "NAME", "STATE", "SINCE", "AGE", "WHY");
  for (const wire::NodeEntry& node : nodes) {
    std::printf("%-*.*s  %-5s  %-19s  %5s  %.*s\n", static_cast<int>(width), static_cast<int>(node.name.size()),
                node.name.data(), text_of(node.state), time_text(node.since_s).c_str(), age_text(node.since_s).c_str(),
                static_cast<int>(node.reason.size()), node.reason.data());
  }
}

void print_json(const std::vector<wire::NodeEntry>& nodes) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const wire::NodeEntry& node : nodes) {
    list.push_back({{"name", node.name},
                    {"state", text_of(node.state)},
                    {"since", node.since_s},
                    {"incarnation", node.incarnation},
                    {"reason", node.reason}});
  }
  std::printf("%s\n", list.dump(2).c_str());
}

}  // namespace

int nodes_command(bool as_json) {
  return show_listing<wire::NodeEntry>(wire::Opcode::kListNodes, as_json, print_table, print_json);
}

}  // namespace qnet::cli
