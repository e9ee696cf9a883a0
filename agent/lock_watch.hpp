// SPDX-License-Identifier: Apache-2.0
//
// lock_watch.hpp: who drops the POSIX locks of a process that is gone?
//
// A POSIX record lock belongs to a process, and the owner cannot see a process of another node die. So the agent holds
// a pidfd of every process that has asked for one, and tells each node it locked on when the process is gone. Requests
// of whoever waited for that process find the locks dropped (barriers.hpp).
//
// Threads:  the strand.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/barriers.hpp"
#include "agent/first_look.hpp"
#include "agent/node_calls.hpp"

namespace qnet::agent {

class LockWatch {
 public:
  static constexpr std::size_t kProcessesMax = 4096;
  static constexpr std::size_t kNodesPerProcessMax = 64;

  LockWatch(FirstLook& first_look, NodeCalls& calls, Barriers& barriers, std::function<void()> on_lowered)
      : first_look_(first_look), calls_(calls), barriers_(barriers), on_lowered_(std::move(on_lowered)) {}
  ~LockWatch();

  /// Call before a lock is asked for. `connection` is the local connection that asks (SO_PEERPIDFD names its process
  /// even if the number has been used again). Errors: ENOLCK too many, or the process cannot be watched.
  Status watch(const wire::Caller& caller, int connection, NodeRef node, Incarnation life);

  /// A lock was granted to a request that its process has given up: dropped, unless the process lives (then with it).
  void on_late_lock(NodeRef node, Incarnation life, std::uint32_t process);

  std::size_t size() const { return processes_.size(); }

 private:
  struct Place {
    NodeRef node;
    Incarnation life;
    auto operator<=>(const Place&) const = default;
  };
  struct Process final : Watcher {
    void on_ready(std::uint32_t) override { watch->on_exit(*this); }

    LockWatch* watch = nullptr;
    wire::Caller caller;
    UniqueFd pidfd;
    std::vector<Place> places;
  };

  void on_exit(Process& process);
  void release(const Place& place, const wire::Caller& caller);
  void lower(std::uint64_t barrier);

  FirstLook& first_look_;
  NodeCalls& calls_;
  Barriers& barriers_;
  std::function<void()> on_lowered_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Process>> processes_;  // by pid
};

}  // namespace qnet::agent
