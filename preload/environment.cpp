// SPDX-License-Identifier: Apache-2.0
#include "preload/environment.hpp"

#include <cstring>
#include <string_view>

#include "preload/state.hpp"

namespace qnet::preload {
namespace {

constexpr std::string_view kName = "LD_PRELOAD=";
/// Larger environments stay as they are: the list would not fit on a stack of usual size.
constexpr std::size_t kEntriesMax = 65536;

std::string_view file_name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

bool names_library(std::string_view value, std::string_view own_name) {
  while (!value.empty()) {
    const std::size_t end = value.find_first_of(": ");
    if (file_name_of(value.substr(0, end)) == own_name) return true;
    value.remove_prefix(end == std::string_view::npos ? value.size() : end + 1);
  }
  return false;
}

bool is_preload(const char* entry) {
  return std::strncmp(entry, kName.data(), kName.size()) == 0;
}

}  // namespace

EnvironmentNeed look_at_environment(char* const* envp) {
  EnvironmentNeed need;
  if (state().preload_entry == nullptr) return need;
  const std::string_view entry = state().preload_entry;
  const std::string_view own_name = file_name_of(entry);
  need.line_bytes = kName.size() + entry.size() + 1;
  for (char* const* at = envp; at != nullptr && *at != nullptr; ++at) {
    if (++need.entries > kEntriesMax) return need;
    if (!is_preload(*at)) continue;
    const std::string_view value = *at + kName.size();
    // Present and empty is how a program is started without the library on purpose.
    if (value.empty() || names_library(value, own_name)) return need;
    need.line_bytes += value.size() + 1;
  }
  need.is_complete = false;
  return need;
}

void complete_environment(char* const* envp, char** list, char* line) {
  char* end = line;
  const auto put = [&end](std::string_view text) {
    std::memcpy(end, text.data(), text.size());
    end += text.size();
  };
  put(kName);
  for (; envp != nullptr && *envp != nullptr; ++envp) {
    if (!is_preload(*envp)) {
      *list++ = *envp;
      continue;
    }
    put(*envp + kName.size());
    put(":");
  }
  put(state().preload_entry);
  *end = '\0';
  *list++ = line;
  *list = nullptr;
}

}  // namespace qnet::preload
