// SPDX-License-Identifier: Apache-2.0
//
// shell_calls.cpp: system(3) and popen(3).
//
// libc starts the shell with the environment of the process as it is, out of reach. The shell is at home in /net by
// itself: the library and the working directory are inherited. Only where the program has taken the library out of its
// environment, as clearenv() does, the command is put behind one that gives it back.
#include <stdlib.h>
#include <unistd.h>

#include <cstring>

#include "preload/entry.hpp"
#include "preload/environment.hpp"
#include "preload/libc.hpp"

namespace qnet::preload {
namespace {

/// `text` in single quotes at `at`; null: only counts. Returns its size.
std::size_t quote(std::string_view text, char* at) {
  std::size_t size = 0;
  const auto put = [&](std::string_view part) {
    if (at != nullptr) part.copy(at + size, part.size());
    size += part.size();
  };
  put("'");
  for (const char& letter : text) {
    if (letter == '\'') put("'\\''");
    else put({&letter, 1});
  }
  put("'");
  return size;
}

/// "export NAME='value'; … exec /bin/sh -c 'command' sh" at `at`; null: only counts. Returns its size.
std::size_t wrap(char* const* lines, const char* command, char* at) {
  std::size_t size = 0;
  const auto put = [&](std::string_view part) {
    if (at != nullptr) part.copy(at + size, part.size());
    size += part.size();
  };
  const auto put_quoted = [&](std::string_view text) { size += quote(text, at == nullptr ? nullptr : at + size); };
  for (; *lines != nullptr; ++lines) {
    const std::string_view line = *lines;
    const std::size_t value_at = line.find('=') + 1;
    put("export ");
    put(line.substr(0, value_at));
    put_quoted(line.substr(value_at));
    put("; ");
  }
  put("exec /bin/sh -c ");
  put_quoted(command);
  put(" sh");
  return size;
}

/// Calls `then` with the command, wrapped if need be. Without memory it goes as it is.
template <class Then>
auto with_command(const char* command, Then&& then) -> decltype(then(command)) {
  client::brought::settle();
  if (!is_started() || command == nullptr) return then(command);
  const EnvironmentNeed need = look_at_environment(::environ);
  if (need.is_complete) return then(command);
  const std::size_t list_bytes = (need.entries + kLinesAdded + 1) * sizeof(char*);
  void* const memory = ::malloc(list_bytes + need.line_bytes);
  char** const list = static_cast<char**>(memory);
  char* wrapped = nullptr;
  if (memory != nullptr) {
    char** const added = complete_environment(need, ::environ, list, static_cast<char*>(memory) + list_bytes);
    const std::size_t size = wrap(added, command, nullptr);
    wrapped = static_cast<char*>(::malloc(size + 1));
    if (wrapped != nullptr) wrapped[wrap(added, command, wrapped)] = '\0';
  }
  const auto result = then(wrapped != nullptr ? wrapped : command);
  const KeepErrno keep;
  ::free(wrapped);
  ::free(memory);
  return result;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_system(const char* command) {
  return with_command(command, [](const char* wrapped) { return libc().system(wrapped); });
}

extern "C" FILE* qnet_popen(const char* command, const char* mode) {
  return with_command(command, [=](const char* wrapped) { return libc().popen(wrapped, mode); });
}

extern "C" int qnet_pclose(FILE* stream) {
  return libc().pclose(stream);
}
