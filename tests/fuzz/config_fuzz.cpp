// SPDX-License-Identifier: Apache-2.0
//
// config_fuzz.cpp: what does qnetd make of any command line and any configuration file?
//
// First byte: even, the rest is arguments, one a line; odd, it is the file. An agent that may run has sane names.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "agent/config.hpp"
#include "transport/base/check.hpp"
#include "transport/base/net_path.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {
namespace {

void check(const std::vector<std::string>& arguments) {
  std::vector<const char*> pointers{"qnetd"};
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  Config config;
  const std::optional<Refusal> refusal = parse_command_line(static_cast<int>(pointers.size()), pointers.data(), config);
  if (refusal) {
    QNET_CHECK(!refusal->text.empty());
    return;
  }
  QNET_CHECK(is_node_name(config.name) && config.prefix.starts_with('/') && config.links.size() <= 8);
  for (const PeerSetting& peer : config.peers) QNET_CHECK(is_node_name(peer.name) && peer.name != config.name);
  QNET_CHECK(config.engine.session_hold > Duration::zero() && config.engine.peers_max > 0);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void check_file(std::string_view text) {
  const UniqueFd file(memfd_create("config", MFD_CLOEXEC));
  QNET_CHECK(file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  check({"--name", "a", "--trusted", "--socket", "/s", "--state-dir", "/s", "--config",
         "/proc/self/fd/" + std::to_string(file.get())});
}

}  // namespace
}  // namespace qnet::agent

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // A configuration file among the arguments would be whatever file has that name.
  if (data[0] % 2 != 0) qnet::agent::check_file(text);
  else if (text.find("--c") == text.npos) qnet::agent::check(qnet::agent::lines_of(text));
  return 0;
}
