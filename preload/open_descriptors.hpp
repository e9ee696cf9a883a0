// SPDX-License-Identifier: Apache-2.0
//
// open_descriptors.hpp: which descriptors has this process?
//
// Threads:  any; between fork and exec.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {

/// Calls visit(fd) for every open descriptor; it may change them.
template <class Visit>
void for_each_descriptor(Visit&& visit) {
  constexpr int kDescriptorsMax = 1024;  // looked at where /proc is missing
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

}  // namespace qnet::preload
