// SPDX-License-Identifier: Apache-2.0
//
// environment.hpp: how do programs started by this one get the library, too?
//
// If this process was given the library by LD_PRELOAD, and the environment for the new program does not name it, it is
// appended: `env -i` and programs that make an environment of their own stay inside. With it go QNET_SOCKET (unless the
// agent's socket is the usual one) and QNET_MAP, if they are absent: the child must see the same /net. An empty
// LD_PRELOAD is left alone: `LD_PRELOAD= program` leads out. Lives on the stack: exec is called between fork and exec,
// where nothing may be allocated.
#pragma once

#include <alloca.h>

#include <cstddef>

#include "agent/client/brought.hpp"

namespace qnet::preload {

/// What has to be added to an environment.
struct EnvironmentNeed {
  bool is_complete = true;            ///< nothing
  bool leads_out = false;             ///< an empty LD_PRELOAD: the program is not to have the library
  std::size_t entries = 0;            ///< of the environment, without the final null
  std::size_t line_bytes = 0;         ///< of the new LD_PRELOAD line, with its NUL
  const char* socket_line = nullptr;  ///< to be added, too; null: not needed
  const char* map_line = nullptr;
};
EnvironmentNeed look_at_environment(char* const* envp);
/// Fills `list` (entries + kLinesAdded + 1 pointers) and `line` (line_bytes). Returns where in `list` the added lines
/// begin.
char** complete_environment(const EnvironmentNeed& need, char* const* envp, char** list, char* line);
inline constexpr std::size_t kLinesAdded = 3;

/// Calls `then(envp)` with the completed environment, which lives as long as that call.
template <class Then>
auto with_environment(char* const* envp, Then&& then) -> decltype(then(envp)) {
  client::brought::settle();  // The new program may share open files.
  const EnvironmentNeed need = look_at_environment(envp);
  if (need.is_complete) return then(envp);
  auto** const list = static_cast<char**>(alloca((need.entries + kLinesAdded + 1) * sizeof(char*)));
  auto* const line = static_cast<char*>(alloca(need.line_bytes));
  complete_environment(need, envp, list, line);
  return then(static_cast<char* const*>(list));
}

}  // namespace qnet::preload
