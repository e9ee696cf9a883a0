// SPDX-License-Identifier: Apache-2.0
#include "agent/prefix_guard.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

#include "transport/base/net_path.hpp"

namespace qnet::agent {
namespace {

/// "/a\040b" as /proc/self/mountinfo spells "/a b".
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// The type of what is mounted exactly there; nothing if nothing is.
std::optional<std::string> mounted_type(const std::string& path) {
  std::optional<std::string> type;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // id parent major:minor root mount-point options [optional…] - type source …
    std::istringstream words(line);
    std::string word, point;
    for (int i = 0; i < 5; ++i) words >> point;
    if (unescape(point) != path) continue;
    while (words >> word && word != "-") {
    }
    words >> word;
    type = word;  // The last one lies on top.
  }
  return type;
}

bool is_empty_directory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory) return false;
  while (const dirent* entry = readdir(directory.get())) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) return false;
  }
  return true;
}

}  // namespace

std::string reason_against_prefix(const std::string& prefix) {
  // Mounts first: opening an automounter's directory would mount something.
  if (const std::optional<std::string> type = mounted_type(prefix)) {
    if (*type == "fuse.qnetfs") return "";
    return "it is a mount point (" + *type + ")";
  }
  struct stat info;
  if (lstat(prefix.c_str(), &info) != 0) {
    if (errno == ENOENT) return "";
    return std::strerror(errno);
  }
  if (!S_ISDIR(info.st_mode)) return "it exists and is not a directory";
  if (!is_empty_directory(prefix)) return "the directory is not empty";
  return "";
}

Result<PrefixLink> PrefixLink::create(const std::string& socket_path, const std::string& prefix) {
  const std::string path = socket_path + ".prefix";
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("unlink");
  if (prefix == kDefaultPrefix) return PrefixLink({});
  if (symlink(prefix.c_str(), path.c_str()) != 0) return fail_errno("symlink");
  return PrefixLink(path);
}

PrefixLink::~PrefixLink() {
  if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace qnet::agent
