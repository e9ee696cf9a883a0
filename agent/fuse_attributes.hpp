// SPDX-License-Identifier: Apache-2.0
//
// fuse_attributes.hpp: what does the kernel call the attributes of a file?
#pragma once

#include <linux/fuse.h>
#include <sys/stat.h>

#include "transport/wire/attributes.hpp"

namespace qnet::agent {

/// To the kernel everything is a regular file: a device's number would lead to a device of this node.
inline fuse_attr to_fuse(const wire::Attributes& attributes) {
  return {.ino = attributes.inode,
          .size = attributes.size_bytes,
          .blocks = attributes.blocks_512,
          .atime = static_cast<std::uint64_t>(attributes.accessed.seconds),
          .mtime = static_cast<std::uint64_t>(attributes.modified.seconds),
          .ctime = static_cast<std::uint64_t>(attributes.changed.seconds),
          .atimensec = attributes.accessed.nanoseconds,
          .mtimensec = attributes.modified.nanoseconds,
          .ctimensec = attributes.changed.nanoseconds,
          .mode = S_IFREG | (attributes.mode & 07777),
          .nlink = attributes.link_count,
          .uid = attributes.user,
          .gid = attributes.group,
          .rdev = 0,
          .blksize = attributes.block_size,
          .flags = 0};
}

}  // namespace qnet::agent
