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

bool has_name(const char* entry, std::string_view name_with_equals) {
  return std::strncmp(entry, name_with_equals.data(), name_with_equals.size()) == 0;
}
bool is_preload(const char* entry) {
  return has_name(entry, kName);
}

}  // namespace

EnvironmentNeed look_at_environment(char* const* envp) {
  EnvironmentNeed need;
  if (state().preload_entry == nullptr) return need;
  const std::string_view entry = state().preload_entry;
  const std::string_view own_name = file_name_of(entry);
  need.line_bytes = kName.size() + entry.size() + 1;
  need.socket_line = state().socket_line;
  need.map_line = state().map_line;
  for (char* const* at = envp; at != nullptr && *at != nullptr; ++at) {
    if (++need.entries > kEntriesMax) return need;
    if (has_name(*at, kSocketName)) need.socket_line = nullptr;
    if (has_name(*at, kMapName)) need.map_line = nullptr;
    if (!is_preload(*at)) continue;
    const std::string_view value = *at + kName.size();
    // Present and empty is how a program is started without the library on purpose.
    need.leads_out = value.empty();
    if (need.leads_out || names_library(value, own_name)) return need;
    need.line_bytes += value.size() + 1;
  }
  need.is_complete = false;
  return need;
}

char** complete_environment(const EnvironmentNeed& need, char* const* envp, char** list, char* line) {
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
  char** const added = list;
  *list++ = line;
  for (const char* const more : {need.socket_line, need.map_line}) {
    if (more != nullptr) *list++ = const_cast<char*>(more);
  }
  *list = nullptr;
  return added;
}

}  // namespace qnet::preload
