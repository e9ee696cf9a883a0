// SPDX-License-Identifier: Apache-2.0
#include "preload/log.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include <array>
#include <cstring>

#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {
namespace {

constexpr std::string_view kNames[] = {"", "error", "warning", "info", "debug", "trace"};
constexpr std::size_t kLineBytesMax = 500;
constinit std::array<char, 1024> file_name{};  // Empty: stderr.

}  // namespace

LogLevel log_level = LogLevel::kNone;

void configure_log(const char* level, const char* file) {
  if (level == nullptr) return;
  for (std::size_t i = 1; i < std::size(kNames); ++i) {
    if (kNames[i] == level) log_level = static_cast<LogLevel>(i);
  }
  if (file != nullptr && std::strlen(file) < file_name.size()) std::strcpy(file_name.data(), file);
}

void log(LogLevel level, std::initializer_list<std::string_view> parts) {
  if (!is_logged(level)) return;
  std::array<char, kLineBytesMax + 1> line;
  std::size_t size = 0;
  const auto put = [&](std::string_view text) {
    const std::size_t count = text.size() < kLineBytesMax - size ? text.size() : kLineBytesMax - size;
    std::memcpy(line.data() + size, text.data(), count);
    size += count;
  };
  put("qnet ");
  put(kNames[static_cast<std::size_t>(level)]);
  put(" [");
  put(Decimal(raw_syscall(SYS_getpid)));
  put("] ");
  for (const std::string_view part : parts) put(part);
  line[size++] = '\n';

  if (file_name[0] == '\0') {
    raw_syscall(SYS_write, 2, line.data(), size);
    return;
  }
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, file_name.data(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return;
  raw_syscall(SYS_write, fd, line.data(), size);
  raw_syscall(SYS_close, fd);
}

Decimal::Decimal(long value) : begin_(sizeof text_) {
  const bool is_negative = value < 0;
  unsigned long left = is_negative ? 0UL - static_cast<unsigned long>(value) : static_cast<unsigned long>(value);
  do {
    text_[--begin_] = static_cast<char>('0' + left % 10);
    left /= 10;
  } while (left != 0);
  if (is_negative) text_[--begin_] = '-';
}

}  // namespace qnet::preload
