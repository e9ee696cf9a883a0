// SPDX-License-Identifier: Apache-2.0
//
// link_walk.hpp: does a symlink on this path lead into /net, and where does the path then go?
//
// Asked after the kernel could not walk a path (ENOENT, ENOTDIR, ELOOP, EXDEV) by the library for local paths and by
// the owner for its own ones. Raw system calls only; no allocation, no errno, no descriptor stays open: safe in signal
// handlers and where libc is interposed. A genuine miss without any symlink costs one system call.
#pragma once

#include <cstddef>
#include <string_view>

namespace qnet {

/// Where a walk ended. Needs 8 KiB: the text is rewritten in place as links are followed.
struct LinkWalk {
  /// Below the prefix, begins with '/': "/c/dev/mqueue/x"; "/" is the prefix itself. What remained of the path is
  /// appended as it stood, not collapsed. Valid after walk_into_prefix() said yes, until the next walk.
  std::string_view path() const { return {text + begin, size}; }

  std::size_t begin = 0;
  std::size_t size = 0;
  char text[8192];  // Not cleared.
};

/// `directory` is a descriptor or AT_FDCWD; `path` up to 4095 bytes, read like the *at() calls do. The last component
/// is followed if `follow_last` or if a slash stands behind it. No for an empty path, after 40 links, and where the
/// result would be longer than a path may be.
bool walk_into_prefix(int directory, std::string_view path, std::string_view prefix, bool follow_last, LinkWalk& walk);

}  // namespace qnet
