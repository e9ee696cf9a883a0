// SPDX-License-Identifier: Apache-2.0
//
// xattr_ops.hpp: what do the operations on extended attributes say?
//
// Paths and flags: see attr_ops.hpp. An empty path with a handle is the open thing itself. ACLs travel as the
// attributes system.posix_acl_*, in the kernel's form: user and group numbers mean the same on every node.
#pragma once

#include "transport/wire/file_ops.hpp"

namespace qnet::wire {

inline constexpr std::size_t kXattrNameBytesMax = 255;        // XATTR_NAME_MAX
inline constexpr std::size_t kXattrValueBytesMax = 64 << 10;  // XATTR_SIZE_MAX, XATTR_LIST_MAX

/// getxattr(2), lgetxattr(2), fgetxattr(2).
struct GetXattrRequest {
  std::uint32_t flags = 0;       // AT_SYMLINK_NOFOLLOW
  std::uint32_t room_bytes = 0;  // 0: only the size; ERANGE if the value is longer
  std::string_view path, name;
  QNET_FIELDS(flags, room_bytes, path, name)
  bool is_plausible() const {
    return room_bytes <= kXattrValueBytesMax && is_path(path) && name.size() <= kXattrNameBytesMax;
  }
};
struct GetXattrReply {
  std::uint32_t size_bytes = 0;
  Tail value;  // size_bytes, or nothing where there was no room
  QNET_FIELDS(size_bytes, value)
};

/// listxattr(2), llistxattr(2), flistxattr(2): names, each with its NUL.
struct ListXattrRequest {
  std::uint32_t flags = 0;
  std::uint32_t room_bytes = 0;
  std::string_view path;
  QNET_FIELDS(flags, room_bytes, path)
  bool is_plausible() const { return room_bytes <= kXattrValueBytesMax && is_path(path); }
};
using ListXattrReply = GetXattrReply;

/// setxattr(2), lsetxattr(2), fsetxattr(2).
struct SetXattrRequest {
  std::uint32_t flags = 0;
  std::uint32_t mode = 0;  // XATTR_CREATE, XATTR_REPLACE
  std::string_view path, name;
  Tail value;
  QNET_FIELDS(flags, mode, path, name, value)
  bool is_plausible() const {
    return is_path(path) && name.size() <= kXattrNameBytesMax && value.bytes.size() <= kXattrValueBytesMax;
  }
};
using SetXattrReply = Empty;

/// removexattr(2), lremovexattr(2), fremovexattr(2).
struct RemoveXattrRequest {
  std::uint32_t flags = 0;
  std::string_view path, name;
  QNET_FIELDS(flags, path, name)
  bool is_plausible() const { return is_path(path) && name.size() <= kXattrNameBytesMax; }
};
using RemoveXattrReply = Empty;

}  // namespace qnet::wire
