// SPDX-License-Identifier: Apache-2.0
#include "preload/kernel_descriptors.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "preload/entry.hpp"
#include "preload/environment.hpp"
#include "preload/launch.hpp"
#include "preload/open_descriptors.hpp"
#include "preload/remote_call.hpp"
#include "preload/state.hpp"
#include "transport/base/raw_syscall.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::preload {
namespace {

constexpr int kSavedFloor = 900;  // above the numbers that programs use

/// A file that is looked into; closed at the end.
class Peek {
 public:
  Peek(int dirfd, const char* path, int flags)
      : fd_(static_cast<int>((flags & AT_EMPTY_PATH) != 0 && *path == '\0'
                                 ? raw_syscall(SYS_fcntl, dirfd, F_DUPFD_CLOEXEC, kSavedFloor)
                                 : raw_syscall(SYS_openat, dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0))) {}
  ~Peek() {
    if (fd_ >= 0) raw_syscall(SYS_close, fd_);
  }
  Peek(const Peek&) = delete;

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace

Result<int> open_kernel_descriptor(const RemoteFd& found) {
  if (found.error != 0) return fail(found.error, "handle");
  client::SmallExchange exchange;
  client::CallOptions options;
  options.send_fd = found.fd;
  const auto given = client::call<wire::GetKernelDescriptorReply>(
      wire::Opcode::kGetKernelDescriptor, client::Place{found.target(), found.handle, {}},
      wire::GetKernelDescriptorRequest{}, exchange, options);
  if (!given) return fail(given.error());
  if (exchange.received_fd < 0) return fail(EIO, "no descriptor");
  return exchange.received_fd;
}

bool is_out_of_reach(int dirfd, const char* path, int flags, char* const* envp) {
  if (!is_started() || path == nullptr) return false;
  if (look_at_environment(envp).leads_out) return true;
  std::array<Program, kInterpretersMax + 1> scripts;
  for (Program& script : scripts) {
    const Peek file(dirfd, path, flags);
    if (!file.is_open()) return false;  // Not readable is not out of reach; the rest the exec will say.
    const Reach reach = look_into(file.fd(), script);
    if (reach != Reach::kScript) return reach == Reach::kOutside;
    dirfd = AT_FDCWD;
    path = script.interpreter();
    flags = 0;
  }
  return false;
}

Result<int> InheritedDescriptors::descriptor_for(const RemoteFd& found) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (replaced_[i].handle != found.handle) continue;
    const long copy = raw_syscall(SYS_fcntl, replaced_[i].fd, F_DUPFD_CLOEXEC, kSavedFloor);
    if (is_raw_error(copy)) return fail(static_cast<int>(-copy), "dup");
    return static_cast<int>(copy);
  }
  return open_kernel_descriptor(found);
}

void InheritedDescriptors::replace(int fd) {
  RemoteFd found;
  if (count_ == kReplacedMax || !may_be_remote(fd) || !find_remote(fd, found)) return;
  const long descriptor_flags = raw_syscall(SYS_fcntl, fd, F_GETFD, 0);
  if (is_raw_error(descriptor_flags) || (descriptor_flags & FD_CLOEXEC) != 0) return;
  const Result<int> given = descriptor_for(found);
  if (!given) return;
  long kept = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, kSavedFloor);
  if (is_raw_error(kept)) kept = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
  if (!is_raw_error(kept)) {
    raw_syscall(SYS_dup3, *given, fd, 0);
    replaced_[count_++] = {fd, static_cast<int>(kept), found.handle};
  }
  raw_syscall(SYS_close, *given);
}

void InheritedDescriptors::replace_all() {
  const KeepErrno keep;
  for_each_descriptor([this](int fd) { replace(fd); });
}

InheritedDescriptors::~InheritedDescriptors() {
  const KeepErrno keep;
  for (std::size_t i = 0; i < count_; ++i) {
    raw_syscall(SYS_dup3, replaced_[i].kept, replaced_[i].fd, 0);
    raw_syscall(SYS_close, replaced_[i].kept);
  }
}

}  // namespace qnet::preload
