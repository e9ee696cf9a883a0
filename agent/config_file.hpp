// SPDX-License-Identifier: Apache-2.0
//
// config_file.hpp: what does a line of `qnetd --config FILE` mean?
//
//   # comment
//   name = a
//   peer = b=en0@10.71.0.2     may stand several times, anywhere
//   trusted
//
// The names are those of the command line, which wins over the file. A value is the rest of the line; it may stand in
// double quotes. A line that says nothing known is an error with its number.
//
// Threads:  the main one, at start and at SIGHUP.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace qnet::agent {

class ConfigFile final : public CLI::Config {
 public:
  /// For the settings that `app` has, which outlives this.
  explicit ConfigFile(const CLI::App& app) : app_(app) {}

  /// Throws CLI::ConfigError, whose text names the line.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;
  /// Nothing: the agent writes no configuration.
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return ""; }

 private:
  const CLI::App& app_;
};

}  // namespace qnet::agent
