// SPDX-License-Identifier: Apache-2.0
#include "agent/directories.hpp"

#include <sys/stat.h>

namespace qnet::agent {

Status make_directories(const std::string& path, mode_t mode) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    const bool is_last = end == std::string::npos;
    if (mkdir(part.c_str(), mode) == 0) {
      if (chmod(part.c_str(), mode) != 0) return fail_errno("chmod");
    } else if (errno != EEXIST) {
      // Something above may be unreadable or read-only and yet lead to an existing directory.
      struct stat info;
      const int error = errno;
      if (stat(part.c_str(), &info) != 0) return fail(error, "mkdir");
    }
    if (is_last) break;
  }
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return fail_errno("stat");
  if (!S_ISDIR(info.st_mode)) return fail(ENOTDIR, "stat");
  return {};
}

std::string parent_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace qnet::agent
