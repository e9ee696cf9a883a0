// SPDX-License-Identifier: Apache-2.0
//
// spawn_descriptors.hpp: what does a program started by posix_spawn(3) inherit that this library cannot enter?
//
// The same as with exec (kernel_descriptors.hpp), but the child is libc's and the parent's own descriptors must stay as
// they are. So the kernel descriptors are had in the parent, close-on-exec and under numbers of their own, and put in
// their places by file actions before those of the program: what is inherited is replaced where it is; what is
// close-on-exec and the source of a dup2 action becomes another source.
//
// libc's list of actions is read for that. Its layout is checked with a list of our own at the first use; if it is not
// the known one, or an action uses one of our numbers, nothing is replaced.
// Threads:  any; different objects at once.
#pragma once

#include <spawn.h>

#include <array>
#include <cstddef>

#include "preload/fd_table.hpp"

namespace qnet::preload {

class SpawnDescriptors {
 public:
  /// Replaced at one time; those beyond stay as they are.
  static constexpr std::size_t kReplacedMax = 64;
  static constexpr std::size_t kActionsMax = 256;

  explicit SpawnDescriptors(const posix_spawn_file_actions_t* given);
  /// Closes the parent's side of it. Keeps errno.
  ~SpawnDescriptors();
  SpawnDescriptors(const SpawnDescriptors&) = delete;

  /// For posix_spawn: the given ones if nothing has to be replaced.
  const posix_spawn_file_actions_t* actions() const { return has_own_ ? &own_ : given_; }

  /// As glibc has it, in all kinds that matter here.
  struct Action {
    int kind;
    int unused;
    int fd;      // dup2: the source; open: the number that it gets
    int target;  // dup2
    void* rest[2];
  };

 private:
  struct Replaced {
    int fd = -1;
    int kernel_fd = -1;  // ours; close-on-exec
    bool is_inherited = false;
    bool is_owned = false;    // kernel_fd is closed with this one
    bool is_original = true;  // no action has changed it so far
    HandleId handle;
  };
  void collect();
  void look_at(int fd);
  bool open_for(Replaced& entry);
  bool rewrite();
  bool uses_ours(const Action& action) const;
  void note_change(unsigned first, unsigned last);

  const posix_spawn_file_actions_t* const given_;
  posix_spawn_file_actions_t own_{};
  bool has_own_ = false;
  std::array<Replaced, kReplacedMax> replaced_;
  std::size_t count_ = 0;
  std::array<Action, kReplacedMax + kActionsMax> list_;
};

}  // namespace qnet::preload
