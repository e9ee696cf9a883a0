// SPDX-License-Identifier: Apache-2.0
#include "preload/remote_program.hpp"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "preload/entry.hpp"
#include "preload/open_remote.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_file.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {
namespace {

constexpr unsigned kMayBeExecuted = 0x10;  // MFD_EXEC, newer than some headers and kernels.

/// An empty file in memory that is named after the program.
long make_memory_file(const Routed& routed, client::Exchange& exchange) {
  constexpr std::size_t kNameBytesMax = 249;
  char name[kNameBytesMax + 1];
  std::size_t size = kProgramMark.copy(name, kProgramMark.size());
  const wire::ResolvePathRequest request{0, routed.place.path};
  const auto resolved = ask_path<wire::ResolvePathReply>(routed, wire::Opcode::kResolvePath, request, exchange);
  char text[4096];
  const std::string_view path =
      resolved ? visible_path_on(routed.place.target, resolved->path, text) : std::string_view();
  if (size + path.size() <= kNameBytesMax) size += path.copy(name + size, path.size());
  name[size] = '\0';
  const long fd = raw_syscall(SYS_memfd_create, name, MFD_CLOEXEC | kMayBeExecuted);
  return fd == -EINVAL ? raw_syscall(SYS_memfd_create, name, MFD_CLOEXEC) : fd;
}

/// Copies the open file into an executable in memory.
Result<int> copy_to_memory(const Routed& routed, client::Exchange& exchange, const RemoteFd& file,
                           std::uint64_t size_bytes) {
  const long fd = make_memory_file(routed, exchange);
  if (fd < 0) return fail(static_cast<int>(-fd), "memfd_create");
  Result<int> result = static_cast<int>(fd);
  const long sized = raw_syscall(SYS_ftruncate, fd, size_bytes);
  const long memory =
      sized < 0 ? sized : raw_syscall(SYS_mmap, nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (is_raw_error(memory)) {
    result = fail(static_cast<int>(-memory), "mmap");
  } else {
    const iovec all{reinterpret_cast<void*>(memory), size_bytes};
    const Result<std::size_t> got = read_remote(file, {&all, 1}, 0);
    raw_syscall(SYS_munmap, memory, size_bytes);
    if (!got) result = fail(got.error());
    else if (*got != size_bytes) result = fail(ETXTBSY, "program changed");
  }
  if (!result) raw_syscall(SYS_close, fd);
  return result;
}

Result<int> fetch_open(const Routed& routed, client::Exchange& exchange, int fd, Program& program) {
  RemoteFd file;
  if (!find_remote(fd, file)) return fail(EIO, "exec");
  const auto attributes = attributes_of(file);
  if (!attributes) return fail(attributes.error());
  if (!S_ISREG(attributes->mode)) return fail(EACCES, "exec");
  const iovec front{program.line.data(), program.line.size() - 1};
  const Result<std::size_t> got = read_remote(file, {&front, 1}, 0);
  if (!got) return fail(got.error());
  if (parse_script(program, *got)) return 0;
  if (attributes->size_bytes == 0) return fail(ENOEXEC, "exec");
  const Result<int> copy = copy_to_memory(routed, exchange, file, attributes->size_bytes);
  if (!copy) return fail(copy.error());
  program.fd = *copy;
  return 0;
}

}  // namespace

Result<int> fetch_program(const Routed& routed, client::Exchange& exchange, Program& program) {
  const wire::CheckAccessRequest check{X_OK, AT_EACCESS, routed.place.path};
  if (const auto may = ask_path<wire::CheckAccessReply>(routed, wire::Opcode::kCheckAccess, check, exchange); !may) {
    return fail(may.error());
  }
  const Result<int> fd = open_remote(routed, exchange, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  if (!fd) return fail(fd.error());
  const Result<int> fetched = fetch_open(routed, exchange, *fd, program);
  note_unknown(*fd);
  raw_syscall(SYS_close, *fd);
  return fetched;
}

bool has_remote_interpreter(int dirfd, const char* path, Program& program) {
  const KeepErrno keep;
  if (raw_syscall(SYS_faccessat, dirfd, path, X_OK) != 0) return false;
  const long fd = raw_syscall(SYS_openat, dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (is_raw_error(fd)) return false;
  const long got = raw_syscall(SYS_read, fd, program.line.data(), program.line.size() - 1);
  raw_syscall(SYS_close, fd);
  const bool is_ours =
      got > 0 && parse_script(program, static_cast<std::size_t>(got)) && leads_away(program.interpreter());
  if (!is_ours) program = Program();
  return is_ours;
}

void take_program_name() {
  // "/dev/fd/N" after execveat(2) on a descriptor, "/proc/P/fd/N" after posix_spawn(3): no call for any other program.
  const auto* const started_as = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  if (started_as == nullptr || std::strstr(started_as, "/fd/") == nullptr) return;
  char link[4096];
  const long got = raw_syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", link, sizeof link);
  std::string_view path(link, got > 0 ? static_cast<std::size_t>(got) : 0);
  if (!take_program_mark(path)) return;
  char name[16];  // As much as the kernel keeps.
  name[path.copy(name, sizeof name - 1, path.rfind('/') + 1)] = '\0';
  raw_syscall(SYS_prctl, PR_SET_NAME, name);
}

bool take_program_mark(std::string_view& link) {
  constexpr std::string_view kMemory = "/memfd:", kDeleted = " (deleted)";
  if (!link.starts_with(kMemory) || !link.ends_with(kDeleted)) return false;
  std::string_view path = link;
  path.remove_prefix(kMemory.size());
  path.remove_suffix(kDeleted.size());
  if (!path.starts_with(kProgramMark)) return false;
  path.remove_prefix(kProgramMark.size());
  if (path.empty()) return false;
  link = path;
  return true;
}

}  // namespace qnet::preload
