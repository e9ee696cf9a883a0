// SPDX-License-Identifier: Apache-2.0
//
// kernel_descriptors.hpp: what does a program inherit that this library cannot enter?
//
// A static program, a setuid one, one of another architecture or started with an empty LD_PRELOAD makes its system
// calls itself. Right before exec, each remote descriptor that it inherits is replaced by a kernel descriptor of the
// same handle (wire::GetKernelDescriptor), numbers that are one open file by one. If the exec fails, they are put back.
// Without kernel descriptors nothing is replaced, and the program gets an error when it reads (ARCHITECTURE.md).
//
// Threads:  the one that calls exec, in a process of its own or in a child that shares its parent's memory; nothing is
// allocated, and nothing but the kernel's descriptor table is changed.
#pragma once

#include <array>
#include <cstddef>

#include "agent/client/client.hpp"
#include "preload/fd_table.hpp"

namespace qnet::preload {

/// A descriptor of the handle on which the kernel works, close-on-exec. Errors: EOPNOTSUPP: the agent has none.
Result<int> open_kernel_descriptor(const RemoteFd& found);

/// True if the program cannot be entered. `path`, `flags` as in execveat(2).
bool is_out_of_reach(int dirfd, const char* path, int flags, char* const* envp);

class InheritedDescriptors {
 public:
  /// Replaced at one time; those beyond stay as they are.
  static constexpr std::size_t kReplacedMax = 64;

  InheritedDescriptors() = default;
  /// The exec has failed: everything is as before. Keeps errno.
  ~InheritedDescriptors();
  InheritedDescriptors(const InheritedDescriptors&) = delete;

  void replace_all();

 private:
  struct Replaced {
    int fd = -1;
    int kept = -1;  // the former descriptor, close-on-exec
    HandleId handle;
  };
  void replace(int fd);
  Result<int> descriptor_for(const RemoteFd& found) const;

  std::array<Replaced, kReplacedMax> replaced_;
  std::size_t count_ = 0;
};

/// Calls `exec()`, which returns only on failure, with the descriptors that the program can use.
template <class Exec>
int exec_with_descriptors(int dirfd, const char* path, int flags, char* const* envp, Exec&& exec) {
  if (!is_out_of_reach(dirfd, path, flags, envp)) [[likely]]
    return exec();
  InheritedDescriptors inherited;
  inherited.replace_all();
  return exec();
}

}  // namespace qnet::preload
