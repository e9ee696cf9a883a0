// SPDX-License-Identifier: Apache-2.0
#include "agent/lock_watch.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>

#include "transport/wire/file_ops.hpp"

namespace qnet::agent {
namespace {

constexpr int kPeerPidfd = 77;  // SO_PEERPIDFD (Linux 6.5); older headers lack it.

UniqueFd open_pidfd(std::uint32_t process, int connection) {
  int pidfd = -1;
  socklen_t size = sizeof pidfd;
  if (getsockopt(connection, SOL_SOCKET, kPeerPidfd, &pidfd, &size) == 0) return UniqueFd(pidfd);
  if (errno != ENOPROTOOPT) return {};  // The process is gone, and its number may be somebody else's.
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
}

}  // namespace

LockWatch::~LockWatch() {
  for (const auto& [pid, process] : processes_) first_look_.forget(process->pidfd.get(), *process);
}

Status LockWatch::watch(const wire::Caller& caller, int connection, NodeRef node, Incarnation life) {
  auto& process = processes_[caller.process];
  if (!process) {
    process = std::make_unique<Process>();
    process->watch = this;
    process->caller = caller;
    process->pidfd = open_pidfd(caller.process, connection);
    const bool is_watched = processes_.size() <= kProcessesMax && process->pidfd &&
                            first_look_.watch(process->pidfd.get(), *process).has_value();
    if (!is_watched) {
      processes_.erase(caller.process);
      return fail(ENOLCK, "watch process");
    }
  }
  const Place place{node, life};
  if (std::ranges::find(process->places, place) != process->places.end()) return {};
  if (process->places.size() == kNodesPerProcessMax) return fail(ENOLCK, "locks on too many nodes");
  process->places.push_back(place);
  return {};
}

void LockWatch::on_exit(Process& process) {
  for (const Place& place : process.places) release(place, process.caller);
  first_look_.forget(process.pidfd.get(), process);
  processes_.erase(process.caller.process);
}

void LockWatch::on_late_lock(NodeRef node, Incarnation life, std::uint32_t process) {
  if (!processes_.contains(process)) release({node, life}, {.process = process});
}

void LockWatch::release(const Place& place, const wire::Caller& caller) {
  const std::uint64_t barrier = barriers_.raise(place.node, caller.user);
  calls_.insist(
      {place.node, place.life, wire::Opcode::kReleaseLocks, HandleId(), caller, "process-ended"},
      [this, barrier] { lower(barrier); }, now());
}

void LockWatch::lower(std::uint64_t barrier) {
  barriers_.lower(barrier);
  on_lowered_();
}

}  // namespace qnet::agent
