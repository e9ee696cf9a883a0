// SPDX-License-Identifier: Apache-2.0
#include "preload/launch.hpp"

#include <cstring>

namespace qnet::preload {

std::size_t count_of(char* const* list) {
  std::size_t count = 0;
  while (list != nullptr && list[count] != nullptr) ++count;
  return count;
}

ArgumentList::ArgumentList(char** memory, char* const* argv) : first_(memory + kRoom) {
  const std::size_t count = count_of(argv);
  for (std::size_t i = 0; i < count; ++i) first_[i] = argv[i];
  first_[count] = nullptr;
}

void ArgumentList::put_interpreter(const Program& script, const char* name) {
  // Without any argument the script's name is the first one all the same.
  char** at = *first_ == nullptr ? first_ - 1 : first_;
  *at = const_cast<char*>(name);
  if (script.argument() != nullptr) *--at = const_cast<char*>(script.argument());
  *--at = const_cast<char*>(script.interpreter());
  first_ = at;
}

void name_script(int dirfd, const char* path, char* text) {
  constexpr std::string_view kStart = "/dev/fd/";
  const Decimal number(dirfd);
  const std::string_view parts[] = {kStart, number, *path == '\0' ? "" : "/", path};
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.copy(text + size, kScriptNameBytes - 1 - size);
  text[size] = '\0';
}

bool closes_on_exec(int fd) {
  const long flags = raw_syscall(SYS_fcntl, fd, F_GETFD);
  return !is_raw_error(flags) && (flags & FD_CLOEXEC) != 0;
}

}  // namespace qnet::preload
