// SPDX-License-Identifier: Apache-2.0
//
// map_calls.cpp: what does mmap() do with a remote file?
//
// A private mapping is memory filled with the file's bytes at the time of the call. A shared one for reading is the
// same where nobody can expect to see its own later writes in it, that is on a descriptor opened read-only; any other
// shared mapping is ENODEV, which programs know from file systems that cannot do it. munmap, mremap and msync stay the
// kernel's. Memory behind the end of the file is zero, where the kernel would send SIGBUS.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

namespace qnet::preload {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr int kFixed = MAP_FIXED | MAP_FIXED_NOREPLACE;
/// Flags that mean the same for memory without a file.
constexpr int kKeptFlags = MAP_NORESERVE | MAP_LOCKED | MAP_32BIT | MAP_STACK;

void* fail_map(int error) {
  errno = error;
  return MAP_FAILED;
}

void* map_memory(void* address, std::size_t length, int protection, int flags) {
  const long mapped = raw_syscall(SYS_mmap, address, length, protection, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return is_raw_error(mapped) ? fail_map(static_cast<int>(-mapped)) : reinterpret_cast<void*>(mapped);
}

/// In the kernel's order. 0 if the file may be mapped.
int why_not(const RemoteFd& found, std::size_t length, int protection, int flags, off_t offset) {
  if (offset % static_cast<off_t>(kPageBytes) != 0) return EINVAL;
  if (found.kind == wire::HandleKind::kPath) return EBADF;
  if (length == 0) return EINVAL;
  if (length > SIZE_MAX - kPageBytes) return ENOMEM;
  const int sharing = flags & MAP_TYPE;
  if (sharing != MAP_PRIVATE && sharing != MAP_SHARED && sharing != MAP_SHARED_VALIDATE) return EINVAL;
  if (sharing == MAP_SHARED_VALIDATE && (flags & MAP_SYNC) != 0) return EOPNOTSUPP;

  const auto status = ask_handle<wire::GetFlagsReply>(found, wire::Opcode::kGetFlags, wire::GetFlagsRequest{});
  if (!status) return status.error().code;
  const int access = static_cast<int>(status->flags) & O_ACCMODE;
  if (access == O_WRONLY) return EACCES;
  if (sharing == MAP_PRIVATE) return found.is_file() ? 0 : ENODEV;
  if ((protection & PROT_WRITE) != 0 && access != O_RDWR) return EACCES;
  return found.is_file() && access == O_RDONLY ? 0 : ENODEV;
}

/// Reads up to the end of the file; false and errno on failure.
bool fill(int fd, std::byte* memory, std::size_t length, off_t offset) {
  for (std::size_t done = 0; done < length;) {
    const ssize_t count = qnet_pread(fd, memory + done, length - done, offset + static_cast<off_t>(done));
    if (count == 0) break;
    if (count > 0) done += static_cast<std::size_t>(count);
    else if (errno != EINTR) return false;
  }
  return true;
}

void* map_file(const RemoteFd& found, void* address, std::size_t length, int protection, int flags, off_t offset) {
  KeepErrno keep;
  // An occupied fixed address is replaced in one step at the end: a failure leaves it as it was.
  const bool is_replaced = (flags & kFixed) == MAP_FIXED;
  const int memory_flags = (flags & kKeptFlags) | (is_replaced ? 0 : flags & MAP_FIXED_NOREPLACE);
  void* const memory = map_memory(is_replaced ? nullptr : address, length, PROT_READ | PROT_WRITE, memory_flags);
  if (memory == MAP_FAILED) {
    keep.fail(errno);
    return memory;
  }
  if (fill(found.fd, static_cast<std::byte*>(memory), length, offset)) {
    long result = raw_syscall(SYS_mprotect, memory, length, protection);
    if (!is_raw_error(result) && is_replaced) {
      result = raw_syscall(SYS_mremap, memory, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address);
    }
    if (!is_raw_error(result)) return is_replaced ? address : memory;
    errno = static_cast<int>(-result);
  }
  keep.fail(errno);
  raw_syscall(SYS_munmap, memory, length);
  return MAP_FAILED;
}

}  // namespace

void* boot_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  const long mapped = raw_syscall(SYS_mmap, address, length, protection, flags, fd, offset);
  return is_raw_error(mapped) ? fail_map(static_cast<int>(-mapped)) : reinterpret_cast<void*>(mapped);
}

}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" void* qnet_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  RemoteFd found;
  if ((flags & MAP_ANONYMOUS) != 0 || !may_be_remote(fd) || !find_remote(fd, found)) {
    return libc().mmap(address, length, protection, flags, fd, offset);
  }
  const int error = why_not(found, length, protection, flags, offset);
  return error != 0 ? fail_map(error) : map_file(found, address, length, protection, flags, offset);
}
