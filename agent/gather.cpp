// SPDX-License-Identifier: Apache-2.0
//
// gather.cpp: may the agent run on this machine, and does it get what it needs?
#include <unistd.h>

#include <cstring>

#include "agent/agent.hpp"
#include "agent/directories.hpp"
#include "agent/log.hpp"

namespace qnet::agent {
namespace {

std::unexpected<Refusal> refuse(int status, std::string text) {
  return std::unexpected(Refusal{status, std::move(text)});
}

std::string said(const Error& error) {
  return std::string(error.where) + ": " + std::strerror(error.code);
}

std::expected<SocketLock, Refusal> lock_socket(const std::string& path) {
  const std::string run_directory = parent_directory(path);
  if (const Status made = make_directories(run_directory, 0755); !made) {
    return refuse(1, run_directory + ": " + std::strerror(made.error().code));
  }
  Result<SocketLock> lock = SocketLock::take(path);
  if (lock) return std::move(*lock);
  if (lock.error().code == EADDRINUSE) return refuse(1, "another agent is running on " + path);
  if (lock.error().code == EEXIST) return refuse(1, path + " exists and is not a socket");
  return refuse(1, path + ": " + said(lock.error()));
}

std::expected<NodeIdentity, Refusal> take_identity(const std::string& directory) {
  Result<NodeIdentity> identity = begin_life(directory);
  if (identity) return std::move(*identity);
  if (identity.error().code == EBUSY) return refuse(1, "another agent uses the state directory " + directory);
  if (identity.error().code == EBADMSG) return refuse(1, directory + "/node is damaged; remove it to be a new node");
  return refuse(1, "state directory " + directory + ": " + said(identity.error()));
}

}  // namespace

std::expected<Belongings, Refusal> gather(const Config& config) {
  if (const std::string reason = reason_against_prefix(config.prefix); !reason.empty()) {
    return refuse(1, "the prefix " + config.prefix + " cannot be used: " + reason);
  }
  std::expected<SocketLock, Refusal> lock = lock_socket(config.socket);
  if (!lock) return std::unexpected(lock.error());
  std::expected<NodeIdentity, Refusal> identity = take_identity(config.state_directory);
  if (!identity) return std::unexpected(identity.error());
  Result<ShadowDirectory> shadows = ShadowDirectory::create(config.socket + ".d");
  if (!shadows) return refuse(1, config.socket + ".d: " + said(shadows.error()));
  Result<PrefixLink> link = PrefixLink::create(config.socket, config.prefix);
  if (!link) return refuse(1, config.socket + ".prefix: " + said(link.error()));

  std::vector<std::unique_ptr<link::LinkDriver>> drivers;
  for (const LinkSetting& setting : config.links) {
    Result<std::unique_ptr<link::LinkDriver>> driver = link::make_link_driver(setting.address, setting.options);
    const std::string text = "link " + setting.name + "=" + setting.address + ": ";
    if (!driver && driver.error().code == EINVAL) return refuse(2, text + "not an address of a known kind");
    if (!driver) return refuse(1, text + said(driver.error()));
    drivers.push_back(std::move(*driver));
  }
  if (geteuid() != 0) spdlog::warn("not root: executes requests of uid {} only, others get EACCES", geteuid());
  return Belongings{std::move(*lock), std::move(*identity), std::move(*shadows), std::move(*link), std::move(drivers)};
}

}  // namespace qnet::agent
