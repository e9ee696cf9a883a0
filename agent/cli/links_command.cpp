// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/cli/cli.hpp"

namespace qnet::cli {
namespace {

double loss_of(const wire::LinkEntry& link) {
  if (link.packets_sent == 0) return 0;
  return std::min(1.0, static_cast<double>(link.frames_lost) / static_cast<double>(link.packets_sent));
}

void print_table(const std::vector<wire::LinkEntry>& links) {
  std::printf("%-16s  %-8s  %-24s  %-5s  %10s  %7s  %14s  %14s  %10s\n", "NODE", "LINK", "ADDRESS", "STATE", "RTT",
              "LOSS", "SENT", "RECEIVED", "RATE");
  for (const wire::LinkEntry& link : links) {
    const std::string round_trip = link.has_round_trip != 0 ? std::to_string(link.round_trip_us) + " us" : "-";
    const std::string rate = link.bytes_per_second != 0 ? std::to_string(link.bytes_per_second / 1000) + " kB/s" : "-";
    std::printf("%-16s  %-8s  %-24s  %-5s  %10s  %6.2f%%  %12llu B  %12llu B  %10s\n", std::string(link.peer).c_str(),
                std::string(link.link).c_str(), std::string(link.address).c_str(), link.is_up != 0 ? "up" : "down",
                round_trip.c_str(), 100 * loss_of(link), static_cast<unsigned long long>(link.bytes_sent),
                static_cast<unsigned long long>(link.bytes_received), rate.c_str());
  }
}

void print_json(const std::vector<wire::LinkEntry>& links) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const wire::LinkEntry& link : links) {
    nlohmann::ordered_json entry = {{"node", link.peer},
                                    {"link", link.link},
                                    {"address", link.address},
                                    {"state", link.is_up != 0 ? "up" : "down"},
                                    {"round_trip_us", nullptr},
                                    {"variation_us", nullptr},
                                    {"loss", loss_of(link)},
                                    {"packets_sent", link.packets_sent},
                                    {"frames_lost", link.frames_lost},
                                    {"bytes_sent", link.bytes_sent},
                                    {"bytes_received", link.bytes_received},
                                    {"bytes_per_second", link.bytes_per_second}};
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
