// SPDX-License-Identifier: Apache-2.0
#include "preload/state.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include "preload/libc.hpp"

namespace qnet::preload {

constinit State state_object{};

std::uint32_t current_umask() {
  const std::uint32_t known = state().umask_plus_1.load(std::memory_order_relaxed);
  if (known != 0) return known - 1;

  // umask(2) can only be read by changing it, which another thread would notice.
  std::array<char, 1024> text;
  std::uint32_t mask = 022;
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    const long got = raw_syscall(SYS_read, fd, text.data(), text.size());
    raw_syscall(SYS_close, fd);
    const std::string_view status(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    const std::size_t at = status.find("\nUmask:\t");
    if (at != std::string_view::npos) {
      mask = 0;
      for (std::size_t i = at + 8; i < status.size() && status[i] >= '0' && status[i] <= '7'; ++i) {
        mask = mask * 8 + static_cast<std::uint32_t>(status[i] - '0');
      }
    }
  }
  state().umask_plus_1.store(mask + 1, std::memory_order_relaxed);
  return mask;
}

}  // namespace qnet::preload
