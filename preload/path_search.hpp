// SPDX-License-Identifier: Apache-2.0
//
// path_search.hpp: which files does a program's name stand for? The search along PATH, as libc's.
//
// Nothing is allocated. Threads:  any, as far as nobody changes the environment.
#pragma once

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace qnet::preload {

/// Failures after which the next directory of PATH is tried.
inline bool goes_on_after(int error) {
  switch (error) {
    case EACCES:
    case ENOENT:
    case ESTALE:
    case ENOTDIR:
    case ENODEV:
    case ETIMEDOUT:
    case ENONET:
    case EHOSTDOWN:
      return true;
    default:
      return false;
  }
}

/// Calls start_one(path) with one candidate after the other until one started (0) or the error number it returns ends
/// the search. Returns 0 or the error number.
template <class StartOne>
int search_path(const char* file, StartOne&& start_one) {
  if (file == nullptr || *file == '\0') return ENOENT;
  if (std::strchr(file, '/') != nullptr) return start_one(file);
  const std::string_view name = file;
  const char* const value = ::getenv("PATH");
  std::string_view left = value != nullptr ? value : "/bin:/usr/bin";
  int error = ENOENT;
  bool was_denied = false;
  for (bool is_last = false; !is_last;) {
    const std::size_t end = left.find(':');
    is_last = end == std::string_view::npos;
    const std::string_view directory = left.substr(0, end);
    left.remove_prefix(is_last ? left.size() : end + 1);
    char path[4096];
    if (directory.size() + name.size() + 2 > sizeof path) continue;
    char* at = path + directory.copy(path, directory.size());
    if (!directory.empty()) *at++ = '/';
    at[name.copy(at, name.size())] = '\0';
    error = start_one(path);
    if (error == EACCES) was_denied = true;
    if (!goes_on_after(error)) return error;
  }
  return was_denied ? EACCES : error;
}

}  // namespace qnet::preload
