// SPDX-License-Identifier: Apache-2.0
#include "preload/remote_program.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "preload/open_remote.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_file.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {
namespace {

/// Splits "#! /bin/sh -e" as the kernel does: the interpreter, and the rest as one argument. False: not a script.
bool parse_script(RemoteProgram& program, std::size_t size) {
  auto& line = program.interpreter_line;
  if (size < 3 || line[0] != '#' || line[1] != '!') return false;
  line[size < line.size() ? size : line.size() - 1] = '\0';
  char* at = line.data() + 2;
  at[std::strcspn(at, "\n")] = '\0';
  std::size_t end = std::strlen(at);
  while (end > 0 && (at[end - 1] == ' ' || at[end - 1] == '\t')) at[--end] = '\0';
  at += std::strspn(at, " \t");
  if (*at == '\0') return false;
  program.interpreter = at;
  at += std::strcspn(at, " \t");
  if (*at == '\0') return true;
  *at++ = '\0';
  program.argument = at + std::strspn(at, " \t");
  return true;
}

/// Copies the open file into an executable in memory.
Result<int> copy_to_memory(const RemoteFd& file, std::uint64_t size_bytes) {
  const long fd = raw_syscall(SYS_memfd_create, "qnet-program", MFD_CLOEXEC);
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

Result<int> fetch_open(int fd, RemoteProgram& program) {
  RemoteFd file;
  if (!find_remote(fd, file)) return fail(EIO, "exec");
  const auto attributes =
      ask_handle<wire::GetAttributesReply>(file, wire::Opcode::kGetAttributes, wire::GetAttributesRequest{});
  if (!attributes) return fail(attributes.error());
  if (!S_ISREG(attributes->mode)) return fail(EACCES, "exec");
  const iovec front{program.interpreter_line.data(), program.interpreter_line.size() - 1};
  const Result<std::size_t> got = read_remote(file, {&front, 1}, 0);
  if (!got) return fail(got.error());
  if (parse_script(program, *got)) return 0;
  if (attributes->size_bytes == 0) return fail(ENOEXEC, "exec");
  const Result<int> copy = copy_to_memory(file, attributes->size_bytes);
  if (!copy) return fail(copy.error());
  program.fd = *copy;
  return 0;
}

}  // namespace

Result<int> fetch_program(const Routed& routed, client::Exchange& exchange, RemoteProgram& program) {
  const wire::CheckAccessRequest check{X_OK, AT_EACCESS, routed.place.path};
  if (const auto may = ask_path<wire::CheckAccessReply>(routed, wire::Opcode::kCheckAccess, check, exchange); !may) {
    return fail(may.error());
  }
  const Result<int> fd = open_remote(routed, exchange, O_RDONLY | O_CLOEXEC, 0);
  if (!fd) return fail(fd.error());
  const Result<int> fetched = fetch_open(*fd, program);
  note_unknown(*fd);
  raw_syscall(SYS_close, *fd);
  return fetched;
}

}  // namespace qnet::preload
