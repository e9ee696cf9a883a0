// SPDX-License-Identifier: Apache-2.0
//
// events_command.cpp: what happens to the links and to the other nodes, as it happens?
//
// Asks the agent for what is behind the last event that was shown, and waits there. Whoever reads slower than things
// happen is told how many events are missing.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/cli/cli.hpp"
#include "agent/client/client.hpp"

namespace qnet::cli {
namespace {

constexpr double kMicro = 1e-6;
constexpr std::int64_t kMicrosPerSecond = 1'000'000;

void print_line(const wire::EventEntry& event) {
  const std::string what = std::string(event.subject) + " " + std::string(event.happened);
  std::string where(event.peer);
  for (const std::string_view part : {event.link, event.address}) {
    if (!part.empty()) where += " " + std::string(part);
  }
  const std::string why = event.reason.empty() ? "" : "  (" + std::string(event.reason) + ")";
  std::printf("%s.%06d  %-15s  %s%s\n", time_text(event.time_us / kMicrosPerSecond).c_str(),
              static_cast<int>(event.time_us % kMicrosPerSecond), what.c_str(), where.c_str(), why.c_str());
}

void print_json(const wire::EventEntry& event) {
  nlohmann::ordered_json entry = {{"number", event.number},
                                  {"time", static_cast<double>(event.time_us) * kMicro},
                                  {"subject", event.subject},
                                  {"happened", event.happened},
                                  {"node", event.peer}};
  if (!event.link.empty()) entry["link"] = event.link;
  if (!event.address.empty()) entry["address"] = event.address;
  entry["reason"] = event.reason;
  std::printf("%s\n", entry.dump().c_str());
}

void print_missing(std::uint64_t count, bool as_json) {
  if (as_json) std::printf("%s\n", nlohmann::ordered_json{{"missing", count}}.dump().c_str());
  else std::printf("(%llu events are missing)\n", static_cast<unsigned long long>(count));
}

/// `qnet events | head -1` ends with head, not with the event after.
void end_with_reader() {
  std::thread([] {
    pollfd output{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
    while (poll(&output, 1, -1) < 0) {
    }
    std::raise(SIGPIPE);
    _exit(1);
  }).detach();
}

}  // namespace

int events_command(bool with_past, bool as_json) {
  std::uint64_t after = with_past ? 0 : wire::kEventsFromNow;
  bool is_complete_from_here = false;  // The first that is shown may have any number.
  end_with_reader();
  const unsigned agent = client::agent_identity() ? client::agent_epoch() : 0;
  for (std::string room;;) {
    std::array<std::byte, 16> body;
    const auto bytes = ask(wire::Opcode::kNextEvents, room, *wire::encode(wire::NextEventsRequest{after}, body));
    if (!bytes) return complain_about_agent(bytes.error().code);
    if (client::agent_epoch() != agent) return complain("the agent was restarted", 1);
    const auto events = entries_of<wire::EventEntry>(*bytes);
    if (!events) return complain_about_answer();
    for (const wire::EventEntry& event : *events) {
      if (is_complete_from_here && event.number > after + 1) print_missing(event.number - after - 1, as_json);
      (as_json ? print_json : print_line)(event);
      after = event.number;
      is_complete_from_here = true;
    }
    if (std::fflush(stdout) != 0) return complain("cannot write the events", 1);
  }
}

}  // namespace qnet::cli
