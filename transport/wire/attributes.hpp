// SPDX-License-Identifier: Apache-2.0
//
// attributes.hpp: what is known about a file, independent of machine and libc?
//
// Built at the owner with statx(); turned into struct stat or struct statx by libqnet.so and qnetfs. `device_*` are the
// owner's numbers; the client makes them distinct per node.
#pragma once

#include <cstdint>
#include <tuple>

#include "transport/wire/codec.hpp"

namespace qnet::wire {

struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;

  auto fields() { return std::tie(seconds, nanoseconds); }
  auto fields() const { return std::tie(seconds, nanoseconds); }
};

struct Attributes {
  std::uint32_t mask = 0;  // STATX_* bits that are filled in
  std::uint32_t block_size = 0;
  std::uint64_t flags = 0;  // STATX_ATTR_*
  std::uint64_t flags_mask = 0;
  std::uint32_t link_count = 0;
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint32_t mode = 0;  // type and permissions, Linux's numbers
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t blocks_512 = 0;
  Timestamp accessed, born, changed, modified;
  std::uint32_t special_major = 0, special_minor = 0;  // st_rdev
  std::uint32_t device_major = 0, device_minor = 0;    // st_dev at the owner

  auto fields() {
    return std::tie(mask, block_size, flags, flags_mask, link_count, user, group, mode, inode, size_bytes, blocks_512,
                    accessed, born, changed, modified, special_major, special_minor, device_major, device_minor);
  }
  auto fields() const {
    return std::tie(mask, block_size, flags, flags_mask, link_count, user, group, mode, inode, size_bytes, blocks_512,
                    accessed, born, changed, modified, special_major, special_minor, device_major, device_minor);
  }
};

}  // namespace qnet::wire
