// SPDX-License-Identifier: Apache-2.0
#include "preload/kernel_descriptors.hpp"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "preload/entry.hpp"
#include "preload/environment.hpp"
#include "preload/launch.hpp"
#include "preload/remote_call.hpp"
#include "preload/state.hpp"
#include "transport/base/raw_syscall.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::preload {
namespace {

using Header = Elf64_Ehdr;
using Segment = Elf64_Phdr;
#if defined(__x86_64__)
constexpr auto kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr auto kMachine = EM_AARCH64;
#endif

constexpr int kSegmentsMax = 64;
constexpr int kSavedFloor = 900;       // above the numbers that programs use
constexpr int kDescriptorsMax = 1024;  // looked at where /proc is missing

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
  std::size_t read(void* room, std::size_t size, std::uint64_t offset) const {
    const long count = raw_syscall(SYS_pread64, fd_, room, size, offset);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }

 private:
  const int fd_;
};

/// Does the kernel make the new program ignore LD_PRELOAD? Too often yes is harmless.
bool changes_identity(int fd) {
  struct stat status;
  if (raw_syscall(SYS_fstat, fd, &status) != 0) return false;
  if ((status.st_mode & S_ISUID) != 0 && status.st_uid != static_cast<uid_t>(raw_syscall(SYS_geteuid))) return true;
  constexpr mode_t kSetGroup = S_ISGID | S_IXGRP;
  if ((status.st_mode & kSetGroup) == kSetGroup && status.st_gid != static_cast<gid_t>(raw_syscall(SYS_getegid))) {
    return true;
  }
  return raw_syscall(SYS_geteuid) != 0 && raw_syscall(SYS_fgetxattr, fd, "security.capability", nullptr, 0) > 0;
}

/// Has it a loader that is glibc's?
bool has_loader(const Peek& file, const Header& header) {
  std::array<Segment, kSegmentsMax> segments;
  const std::size_t wanted = std::min<std::size_t>(header.e_phnum, kSegmentsMax) * sizeof(Segment);
  if (header.e_phentsize != sizeof(Segment) || file.read(segments.data(), wanted, header.e_phoff) != wanted)
    return true;
  for (std::size_t i = 0; i < wanted / sizeof(Segment); ++i) {
    if (segments[i].p_type != PT_INTERP) continue;
    std::array<char, 256> name{};
    const std::size_t length = std::min<std::size_t>(segments[i].p_filesz, name.size() - 1);
    if (file.read(name.data(), length, segments[i].p_offset) != length) return true;
    return std::strstr(name.data(), "/ld-linux") != nullptr || std::strstr(name.data(), "/ld64.so") != nullptr;
  }
  return false;
}

enum class Reach { kInside, kOutside, kScript };

/// `script` is filled in for one.
Reach look_into(const Peek& file, Program& script) {
  const std::size_t size = file.read(script.line.data(), script.line.size() - 1, 0);
  Header header{};
  static_assert(sizeof header < sizeof script.line);
  std::memcpy(&header, script.line.data(), sizeof header);
  if (parse_script(script, size)) return Reach::kScript;
  if (changes_identity(file.fd())) return Reach::kOutside;
  if (size < sizeof header || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return Reach::kInside;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachine) return Reach::kOutside;
  return has_loader(file, header) ? Reach::kInside : Reach::kOutside;
}

/// Calls visit(fd) for every open descriptor.
template <class Visit>
void for_each_descriptor(Visit&& visit) {
  const long list = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (is_raw_error(list)) {
    for (int fd = 0; fd < kDescriptorsMax; ++fd) visit(fd);
    return;
  }
  // Numbers first: the visit changes the list. More than fit are looked at in the next round.
  alignas(dirent64) char room[4096];
  for (;;) {
    const long count = raw_syscall(SYS_getdents64, list, room, sizeof room);
    if (count <= 0) break;
    for (long at = 0; at < count;) {
      const auto* entry = reinterpret_cast<const dirent64*>(room + at);
      at += entry->d_reclen;
      if (entry->d_name[0] == '.') continue;
      int fd = 0;
      for (const char* digit = entry->d_name; *digit != '\0'; ++digit) fd = fd * 10 + (*digit - '0');
      if (fd != list) visit(fd);
    }
  }
  raw_syscall(SYS_close, list);
}

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
    const Reach reach = look_into(file, script);
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
