// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/cli/cli.hpp"
#include "agent/client/client.hpp"

namespace qnet::cli {

int stats_command(bool as_json) {
  std::string room;
  const auto bytes = ask(wire::Opcode::kGetStatistics, room);
  if (!bytes) return complain_about_agent(bytes.error().code);

  const auto parts = nlohmann::ordered_json::parse(as_text(*bytes), nullptr, false);
  if (!parts.is_object()) return complain_about_answer();
  if (as_json) {
    std::printf("%s\n", parts.dump(2).c_str());
    return 0;
  }
  for (const auto& [part, counters] : parts.items()) {
    for (const auto& [name, value] : counters.items()) {
      std::printf("%-44s %s\n", (part + "." + name).c_str(), value.dump().c_str());
    }
  }
  return 0;
}

}  // namespace qnet::cli
