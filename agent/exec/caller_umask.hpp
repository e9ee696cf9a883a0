// SPDX-License-Identifier: Apache-2.0
//
// caller_umask.hpp: how does something new get its permissions?
//
// As on a local disk: the kernel takes the umask away unless the directory has a default ACL, so it must know both. A
// thread that creates in a caller's name has a umask of its own from then on (CLONE_FS undone).
#pragma once

#include <cstdint>

#include "transport/wire/file_ops.hpp"

namespace qnet::exec {

/// While it lives, the thread has the umask that came with a new thing's mode; afterwards none, as all of the agent.
class CallerUmask {
 public:
  /// `new_mode`: see wire::new_mode().
  explicit CallerUmask(std::uint32_t new_mode);
  ~CallerUmask();
  CallerUmask(const CallerUmask&) = delete;
  CallerUmask& operator=(const CallerUmask&) = delete;

  /// What to hand to the kernel, file type included.
  std::uint32_t mode() const { return mode_; }

 private:
  std::uint32_t mode_ = 0;
  bool is_set_ = false;
};

}  // namespace qnet::exec
