// SPDX-License-Identifier: Apache-2.0
//
// connection_pool.hpp: which connection to the local agent does a call use?
//
// A table of slots, taken and given back by compare-and-swap. A call that finds all of them taken, and a process that
// shares our memory but not our descriptors (clone(CLONE_VM) by hand), gets a connection of its own for that one call.
// Descriptors live at high numbers, close-on-exec, never at 0 to 2.
// Threads: any; signal-safe.
#pragma once

#include <atomic>

#include "agent/client/channel.hpp"

namespace qnet::client {

/// One call's right to a connection; ends with the object.
class Lease final : public Socket {
 public:
  Lease();
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  /// Connects if need be. Errors: ENONET, EMFILE, ENFILE, ENOMEM.
  Status ensure_connected();
  /// True if it was in use before this lease, so that it may turn out to be dead.
  bool was_used() const { return was_used_; }
  /// Closes the connection: its state is unknown.
  void spoil();

  int fd() const override;
  /// Of the agent at the other end; valid while connected.
  AgentIdentity agent() const;
  std::uint64_t next_request();
  /// The process forked while this lease was held (in a signal handler), and this is the child.
  bool is_orphaned() const;

 private:
  struct Slot* slot_ = nullptr;  // Null: a connection for this call only.
  int own_fd_ = -1;
  AgentIdentity own_agent_;
  std::uint64_t own_request_ = 0;
  unsigned life_ = 0;
  bool was_used_ = false;
};

}  // namespace qnet::client
