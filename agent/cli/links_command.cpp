// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/cli/cli.hpp"

namespace qnet::cli {
namespace {

constexpr double kMicro = 1e-6;
constexpr std::int64_t kMicrosPerSecond = 1'000'000;

double loss_of(const wire::LinkEntry& link) {
  if (link.packets_sent == 0) return 0;
  return std::min(1.0, static_cast<double>(link.frames_lost) / static_cast<double>(link.packets_sent));
}

/// "812 B", "4.2 kB", "1.3 GB".
std::string bytes_text(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double amount = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; amount >= 999.95; amount /= 1000) ++unit;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", amount, kUnits[unit]);
  return text;
}

std::string why_text(const wire::LinkEntry& link) {
  std::string why(link.reason);
  if (link.hold_ms != 0) why += ", must answer for " + std::to_string(link.hold_ms) + " ms";
  return why;
}

void print_table(const std::vector<wire::LinkEntry>& links) {
  std::printf("%-16s  %-8s  %-24s  %-7s  %5s  %9s  %7s  %11s  %9s  %9s  %9s  %9s  %5s  %s\n", "NODE", "LINK", "ADDRESS",
              "STATE", "AGE", "RTT", "LOSS", "RATE", "IN-FLIGHT", "UNSENT", "SENT", "RECEIVED", "DOWNS", "WHY");
  for (const wire::LinkEntry& link : links) {
    const std::string round_trip = link.has_round_trip != 0 ? std::to_string(link.round_trip_us) + " us" : "-";
    const std::string rate = link.bytes_per_second != 0 ? bytes_text(link.bytes_per_second) + "/s" : "-";
    std::printf("%-16s  %-8s  %-24s  %-7s  %5s  %9s  %6.2f%%  %11s  %9s  %9s  %9s  %9s  %5llu  %s\n",
                std::string(link.peer).c_str(), std::string(link.link).c_str(), std::string(link.address).c_str(),
                std::string(link.state).c_str(), age_text(link.since_us / kMicrosPerSecond).c_str(), round_trip.c_str(),
                100 * loss_of(link), rate.c_str(), bytes_text(link.in_flight_bytes).c_str(),
                bytes_text(link.unsent_bytes).c_str(), bytes_text(link.bytes_sent).c_str(),
                bytes_text(link.bytes_received).c_str(), static_cast<unsigned long long>(link.downs),
                why_text(link).c_str());
  }
}

void print_json(const std::vector<wire::LinkEntry>& links) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const wire::LinkEntry& link : links) {
    nlohmann::ordered_json entry = {{"node", link.peer},
                                    {"link", link.link},
                                    {"address", link.address},
                                    {"state", link.state},
                                    {"since", static_cast<double>(link.since_us) * kMicro},
                                    {"reason", link.reason},
                                    {"hold_ms", link.hold_ms},
                                    {"downs", link.downs},
                                    {"round_trip_us", nullptr},
                                    {"variation_us", nullptr},
                                    {"loss", loss_of(link)},
                                    {"packets_sent", link.packets_sent},
                                    {"frames_lost", link.frames_lost},
                                    {"bytes_sent", link.bytes_sent},
                                    {"bytes_received", link.bytes_received},
                                    {"bytes_per_second", link.bytes_per_second},
                                    {"in_flight_bytes", link.in_flight_bytes},
                                    {"in_flight_bytes_max", link.in_flight_bytes_max},
                                    {"backlog_bytes", link.backlog_bytes},
                                    {"unsent_bytes", link.unsent_bytes}};
    if (link.has_round_trip != 0) {
      entry["round_trip_us"] = link.round_trip_us;
      entry["variation_us"] = link.variation_us;
    }
    list.push_back(std::move(entry));
  }
  std::printf("%s\n", list.dump(2).c_str());
}

}  // namespace

int links_command(bool as_json) {
  return show_listing<wire::LinkEntry>(wire::Opcode::kListLinks, as_json, print_table, print_json);
}

}  // namespace qnet::cli
