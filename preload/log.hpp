// SPDX-License-Identifier: Apache-2.0
//
// log.hpp: how does the library say something without touching its host?
//
// Only if QNET_LOG is set; then one line per message to stderr or to the end of QNET_LOG_FILE, with one write(2). No
// allocation, no lock, no descriptor kept. Values: error, warning, info, debug, trace.
// Threads:  any; signal-safe.
#pragma once

#include <initializer_list>
#include <string_view>

namespace qnet::preload {

enum class LogLevel : int { kNone, kError, kWarning, kInfo, kDebug, kTrace };

extern LogLevel log_level;
inline bool is_logged(LogLevel level) {
  return level <= log_level;
}

/// From the environment; both may be null.
void configure_log(const char* level, const char* file);
/// One line made of `parts`; cut off after 500 bytes.
void log(LogLevel level, std::initializer_list<std::string_view> parts);

/// Decimal text of a number, for `parts`.
class Decimal {
 public:
  explicit Decimal(long value);
  operator std::string_view() const { return {text_ + begin_, sizeof text_ - begin_}; }

 private:
  char text_[21];
  std::size_t begin_;
};

}  // namespace qnet::preload
