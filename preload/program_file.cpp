// SPDX-License-Identifier: Apache-2.0
#include "preload/program_file.hpp"

#include <elf.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "transport/base/raw_syscall.hpp"

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

std::size_t read_at(int fd, void* room, std::size_t size, std::uint64_t offset) {
  const long count = raw_syscall(SYS_pread64, fd, room, size, offset);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

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
bool has_loader(int fd, const Header& header) {
  std::array<Segment, kSegmentsMax> segments;
  const std::size_t wanted = std::min<std::size_t>(header.e_phnum, kSegmentsMax) * sizeof(Segment);
  if (header.e_phentsize != sizeof(Segment) || read_at(fd, segments.data(), wanted, header.e_phoff) != wanted)
    return true;
  for (std::size_t i = 0; i < wanted / sizeof(Segment); ++i) {
    if (segments[i].p_type != PT_INTERP) continue;
    std::array<char, 256> name{};
    const std::size_t length = std::min<std::size_t>(segments[i].p_filesz, name.size() - 1);
    if (read_at(fd, name.data(), length, segments[i].p_offset) != length) return true;
    return std::strstr(name.data(), "/ld-linux") != nullptr || std::strstr(name.data(), "/ld64.so") != nullptr;
  }
  return false;
}

}  // namespace

bool parse_script(Program& program, std::size_t size) {
  auto& line = program.line;
  if (size < 3 || line[0] != '#' || line[1] != '!') return false;
  line[size < line.size() ? size : line.size() - 1] = '\0';
  const auto skip_blanks = [&](std::size_t at) { return at + std::strspn(line.data() + at, " \t"); };
  const std::size_t start = 2;
  std::size_t end = start + std::strcspn(line.data() + start, "\n");
  while (end > start && (line[end - 1] == ' ' || line[end - 1] == '\t')) --end;
  line[end] = '\0';
  const std::size_t interpreter = skip_blanks(start);
  if (interpreter == end) return false;
  program.interpreter_at = interpreter;
  const std::size_t interpreter_end = interpreter + std::strcspn(line.data() + interpreter, " \t");
  if (interpreter_end == end) return true;
  line[interpreter_end] = '\0';
  program.argument_at = skip_blanks(interpreter_end + 1);
  return true;
}

Reach look_into(int fd, Program& script) {
  const std::size_t size = read_at(fd, script.line.data(), script.line.size() - 1, 0);
  Header header{};
  static_assert(sizeof header < sizeof script.line);
  std::memcpy(&header, script.line.data(), sizeof header);
  if (parse_script(script, size)) return Reach::kScript;
  if (changes_identity(fd)) return Reach::kOutside;
  if (size < sizeof header || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return Reach::kInside;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachine) return Reach::kOutside;
  return has_loader(fd, header) ? Reach::kInside : Reach::kOutside;
}

}  // namespace qnet::preload
