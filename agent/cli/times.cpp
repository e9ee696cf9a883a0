// SPDX-License-Identifier: Apache-2.0
//
// times.cpp: how do the listings show moments and ages?
#include <algorithm>
#include <ctime>

#include "agent/cli/cli.hpp"

namespace qnet::cli {

std::string time_text(std::int64_t seconds) {
  const std::time_t moment = seconds;
  std::tm parts{};
  char text[32] = "-";
  if (localtime_r(&moment, &parts) != nullptr) std::strftime(text, sizeof text, "%F %T", &parts);
  return text;
}

std::string age_text(std::int64_t since_s) {
  const std::int64_t age_s = std::max<std::int64_t>(std::time(nullptr) - since_s, 0);
  if (age_s < 120) return std::to_string(age_s) + "s";
  if (age_s < 2 * 3600) return std::to_string(age_s / 60) + "m";
  if (age_s < 2 * 86400) return std::to_string(age_s / 3600) + "h";
  return std::to_string(age_s / 86400) + "d";
}

}  // namespace qnet::cli
