// SPDX-License-Identifier: Apache-2.0
//
// measure.hpp: how do the benchmark programs read their options and tell their result?
//
// A result is one line of words: the program's name, then pairs of name and value; times in µs. tests/bench reads it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "transport/link/udp_address.hpp"

namespace qnet::bench {

inline double now_us() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] inline void give_up(const std::string& reason) {
  std::fprintf(stderr, "%s\n", reason.c_str());
  std::exit(2);
}

/// The result of a system call, or the end of the program.
template <class Number>
Number check(Number result, const char* what) {
  if (result < 0) {
    std::perror(what);
    std::exit(2);
  }
  return result;
}

/// "--name value" pairs; ends the program on an option that nobody asks for.
class Options {
 public:
  Options(int count, char** words, int first) {
    for (int i = first; i < count; i += 2) {
      const std::string name = words[i];
      if (!name.starts_with("--") || i + 1 == count) give_up("no option: " + name);
      values_[name.substr(2)] = words[i + 1];
    }
  }
  std::string text(const std::string& name, const std::string& otherwise) {
    const auto found = values_.extract(name);
    return found.empty() ? otherwise : found.mapped();
  }
  std::string required(const std::string& name) {
    const std::string value = text(name, "");
    if (value.empty()) give_up("option --" + name + " is missing");
    return value;
  }
  std::int64_t number(const std::string& name, std::int64_t otherwise, std::int64_t least, std::int64_t most) {
    const std::string value = text(name, std::to_string(otherwise));
    char* end = nullptr;
    const std::int64_t result = std::strtoll(value.c_str(), &end, 10);
    if (end == value.c_str() || *end != '\0' || result < least || result > most) give_up("--" + name + ": " + value);
    return result;
  }
  core::Address address(const std::string& name) {
    const std::string value = required(name);
    const Result<core::Address> address = link::parse_udp_address(value);
    if (!address) give_up("--" + name + ": " + value);
    return *address;
  }
  /// "64" or "64:4096"; call after everything else with finish().
  struct Sizes {
    std::size_t request, reply;
  };
  Sizes sizes(const std::string& name, std::size_t otherwise, std::size_t most) {
    const std::string value = text(name, std::to_string(otherwise));
    const std::size_t colon = value.find(':');
    const Sizes sizes{std::strtoul(value.c_str(), nullptr, 10),
                      std::strtoul(value.c_str() + (colon == value.npos ? 0 : colon + 1), nullptr, 10)};
    if (std::min(sizes.request, sizes.reply) < 1 || std::max(sizes.request, sizes.reply) > most) {
      give_up("--" + name + ": " + value);
    }
    return sizes;
  }
  void finish() const {
    if (!values_.empty()) give_up("unknown option --" + values_.begin()->first);
  }

 private:
  std::map<std::string, std::string> values_;
};

/// " min … p50 … p99 … max …" of `times_us`, which must not be empty.
inline void print_times(std::vector<double> times_us) {
  std::sort(times_us.begin(), times_us.end());
  std::printf(" min %.1f p50 %.1f p99 %.1f max %.0f", times_us.front(), times_us[times_us.size() / 2],
              times_us[times_us.size() * 99 / 100], times_us.back());
}

}  // namespace qnet::bench
