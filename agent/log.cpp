// SPDX-License-Identifier: Apache-2.0
#include "agent/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

namespace qnet::agent {

bool set_up_log(const std::string& level) {
  const bool is_known = level == "error" || level == "warn" || level == "info" || level == "debug" || level == "trace";
  if (!is_known) return false;

  auto logger = std::make_shared<spdlog::logger>("qnetd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%f %l %v");
  logger->set_level(spdlog::level::from_str(level));
  is_debug_logged = logger->should_log(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
  return true;
}

}  // namespace qnet::agent
