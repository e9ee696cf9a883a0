// SPDX-License-Identifier: Apache-2.0
//
// statx.hpp: how do the kernel's attributes become those on the wire?
#pragma once

#include <sys/stat.h>

#include "agent/exec/handle_table.hpp"
#include "transport/wire/attributes.hpp"

namespace qnet::exec {

inline constexpr unsigned kAttributesMask = STATX_BASIC_STATS | STATX_BTIME;

inline FileKey key_of(const struct statx& from) {
  return {from.stx_dev_major, from.stx_dev_minor, from.stx_ino};
}

inline wire::Timestamp to_wire(const struct statx_timestamp& from) {
  return {from.tv_sec, from.tv_nsec};
}

inline wire::Attributes to_wire(const struct statx& from) {
  return {
      .mask = from.stx_mask & kAttributesMask,
      .block_size = from.stx_blksize,
      .flags = from.stx_attributes,
      .flags_mask = from.stx_attributes_mask,
      .link_count = from.stx_nlink,
      .user = from.stx_uid,
      .group = from.stx_gid,
      .mode = from.stx_mode,
      .inode = from.stx_ino,
      .size_bytes = from.stx_size,
      .blocks_512 = from.stx_blocks,
      .accessed = to_wire(from.stx_atime),
      .born = to_wire(from.stx_btime),
      .changed = to_wire(from.stx_ctime),
      .modified = to_wire(from.stx_mtime),
      .special_major = from.stx_rdev_major,
      .special_minor = from.stx_rdev_minor,
      .device_major = from.stx_dev_major,
      .device_minor = from.stx_dev_minor,
  };
}

}  // namespace qnet::exec
