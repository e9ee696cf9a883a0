// SPDX-License-Identifier: Apache-2.0
//
// identity.hpp: how does a thread become the caller? (design D6)
//
// One thread at a time, by raw system calls: libc's set*id() would change every thread. The effective ids become the
// caller's, the saved ones stay 0 and lead back. A caller other than root has no effective capability afterwards, and
// that is checked, not assumed. The thread stays that caller until another comes.
//
// The real user becomes nobody's. With root's the thread could signal root's processes; with the caller's, every
// program of that user here could send SIGKILL to the thread and end the agent (kill(2) accepts a thread's number and
// compares real and saved ids; tried). So access() must always be asked with AT_EACCESS. Not here: which identity an
// operation needs (dispatch.hpp); mapping of ids between nodes.
#pragma once

#include "transport/base/result.hpp"
#include "transport/wire/message.hpp"

namespace qnet::exec {

/// Whose rights an operation needs.
enum class Need {
  kNothing,  ///< only what the open descriptor allows: any thread may do it
  kCaller,
  kAgent,  ///< the agent's own rights, root's where it has them
};

/// The identity of the thread that owns this object; used by that thread only, except where said.
class ThreadIdentity {
 public:
  /// What this process may become; asked once, before any thread changes.
  struct Powers {
    bool can_change = false;  // is root
    std::uint32_t user = 0;   // its own user otherwise
  };
  static Powers powers_of_process();

  explicit ThreadIdentity(const Powers& powers) : powers_(powers) {}

  /// Errors: EACCES when this agent cannot act for that user. Then the thread is nobody in particular, and every
  /// other request makes it somebody again.
  [[nodiscard]] Status become(Need need, const wire::Caller& caller);

  /// Would become() have nothing to do? Under the pool's lock, any thread while the owner is idle.
  bool fits(Need need, const wire::Caller& caller) const;

  std::uint64_t changes() const { return changes_; }

 private:
  enum class Is { kAgent, kCaller, kUnknown };

  Status become_agent();
  Status become_caller(const wire::Caller& caller);

  const Powers powers_;
  Is is_ = Is::kUnknown;  // A new thread is whoever created it, and that may be any worker.
  wire::Caller caller_;
  std::uint64_t changes_ = 0;
};

}  // namespace qnet::exec
