// SPDX-License-Identifier: Apache-2.0
#include "agent/config_file.hpp"

#include <algorithm>
#include <istream>
#include <string_view>

namespace qnet::agent {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string_view unquote(std::string_view text) {
  const bool is_quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return is_quoted ? text.substr(1, text.size() - 2) : text;
}

bool is_flag_value(std::string_view text) {
  return text == "true" || text == "false";
}

}  // namespace

std::vector<CLI::ConfigItem> ConfigFile::from_config(std::istream& input) const {
  std::vector<CLI::ConfigItem> settings;
  std::string line;
  for (std::size_t number = 1; std::getline(input, line); ++number) {
    const auto wrong = [number](const std::string& what) {
      return CLI::ConfigError("line " + std::to_string(number) + ": " + what, CLI::ExitCodes::ConfigError);
    };
    const std::string_view said = trim(line);
    if (said.empty() || said.front() == '#') continue;
    const std::size_t equals = said.find('=');
    const std::string name(trim(said.substr(0, equals)));
    std::string value(equals == std::string_view::npos ? "" : unquote(trim(said.substr(equals + 1))));

    const CLI::Option* option = name.empty() ? nullptr : app_.get_option_no_throw("--" + name);
    if (option == nullptr || !option->get_configurable() || option == app_.get_config_ptr()) {
      throw wrong("there is no setting \"" + name + "\"");
    }
    const bool is_flag = option->get_expected_min() == 0;
    if (is_flag && value.empty()) value = "true";
    if (is_flag && !is_flag_value(value)) throw wrong(name + " is true or false");
    if (value.empty()) throw wrong(name + " needs a value");

    const auto earlier = std::ranges::find(settings, name, &CLI::ConfigItem::name);
    const bool is_list = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    if (earlier == settings.end()) settings.push_back({.parents = {}, .name = name, .inputs = {value}});
    else if (is_list) earlier->inputs.push_back(value);
    else throw wrong(name + " is given twice");
  }
  return settings;
}

}  // namespace qnet::agent
