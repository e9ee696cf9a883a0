// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "agent/cli/cli.hpp"
#include "agent/client/client.hpp"

namespace qnet::cli {
namespace {

constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;

/// "<prefix>/bin/qnet" → "<prefix>/lib/libqnet.so", in the build folder and where it is installed; else the plain name,
/// which the dynamic linker looks up.
std::string library() {
  const std::string plain = "libqnet.so";
  char own[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
  if (length <= 0) return plain;
  const std::string path(own, static_cast<std::size_t>(length));
  const std::string directory = path.substr(0, path.rfind('/'));
  char resolved[PATH_MAX];
  if (realpath((directory + "/../lib/libqnet.so").c_str(), resolved) == nullptr) return plain;
  return resolved;
}

}  // namespace

std::vector<std::string> take_command(std::vector<std::string>& words) {
  bool is_run = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_separator = is_run && words[i] == "--";
    if (words[i] == "--socket") ++i;
    else if (words[i].starts_with("-") && !is_separator) continue;
    else if (!is_run && words[i] == "run") is_run = true;
    else if (!is_run) return {};
    else {
      const auto first = words.begin() + static_cast<std::ptrdiff_t>(i);
      std::vector<std::string> command(first + (is_separator ? 1 : 0), words.end());
      words.erase(first, words.end());
      return command;
    }
  }
  return {};
}

int run_command(const std::vector<std::string>& command) {
  if (const auto agent = client::agent_identity(); !agent) return complain_about_agent(agent.error().code);

  std::string preload = library();
  if (preload.find_first_of(": ") != std::string::npos) {
    return complain(preload + ": LD_PRELOAD cannot hold a path with ':' or ' '", 1);
  }
  const char* before = std::getenv("LD_PRELOAD");
  if (before != nullptr && *before != '\0') preload += std::string(":") + before;
  setenv("LD_PRELOAD", preload.c_str(), 1);

  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const int error = errno;
  return complain(command[0] + ": " + std::strerror(error), error == ENOENT ? kNotFound : kCannotRun);
}

}  // namespace qnet::cli
