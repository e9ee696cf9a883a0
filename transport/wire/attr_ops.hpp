// SPDX-License-Identifier: Apache-2.0
//
// attr_ops.hpp: what do the operations on a name or an open thing's attributes say?
//
// Paths: see OpenRequest. An empty path with a handle is the open thing itself, so that fstat, fchmod, fchown,
// futimens, ftruncate, fstatfs and fpathconf are these operations too. `flags` are AT_* (AT_SYMLINK_NOFOLLOW,
// AT_EACCESS …).
#pragma once

#include "transport/wire/file_ops.hpp"

namespace qnet::wire {

struct GetAttributesRequest {
  std::uint32_t flags = 0;
  std::string_view path;
  QNET_FIELDS(flags, path)
  bool is_plausible() const { return is_path(path); }
};
using GetAttributesReply = Attributes;

/// access(2), faccessat(2): asked as the caller, whose real and effective ids are the same here.
struct CheckAccessRequest {
  std::uint32_t mode = 0;  // R_OK | W_OK | X_OK, or F_OK
  std::uint32_t flags = 0;
  std::string_view path;
  QNET_FIELDS(mode, flags, path)
  bool is_plausible() const { return is_path(path); }
};
using CheckAccessReply = Empty;

struct ReadLinkRequest {
  std::string_view path;
  QNET_FIELDS(path)
  bool is_plausible() const { return is_path(path); }
};
struct ReadLinkReply {
  std::string_view content;
  QNET_FIELDS(content)
};

enum ResolveFlags : std::uint32_t {
  kResolveDirectory = 1,  // ENOTDIR otherwise
  kResolveSearch = 2,     // EACCES unless the caller may search it: chdir(2)
  kResolveLinked = 4,     // ENOENT if it has been removed: getcwd(3)
};
/// The path without symlinks, "." and "..": realpath(3), getcwd(3), chdir(2), fchdir(2), readlink of /proc/self/fd/N.
struct ResolvePathRequest {
  std::uint32_t flags = 0;  // ResolveFlags
  std::string_view path;
  QNET_FIELDS(flags, path)
  bool is_plausible() const { return is_path(path); }
};
struct ResolvePathReply {
  std::string_view path;  // on the node, "/" for its root; " (deleted)" where the kernel says so
  QNET_FIELDS(path)
};

struct ChangeModeRequest {
  std::uint32_t mode = 0;
  std::uint32_t flags = 0;
  std::string_view path;
  QNET_FIELDS(mode, flags, path)
  bool is_plausible() const { return is_path(path); }
};
using ChangeModeReply = Empty;

struct ChangeOwnerRequest {
  std::uint32_t user = 0, group = 0;  // UINT32_MAX: leave it
  std::uint32_t flags = 0;
  std::string_view path;
  QNET_FIELDS(user, group, flags, path)
  bool is_plausible() const { return is_path(path); }
};
using ChangeOwnerReply = Empty;

struct ChangeTimesRequest {
  Timestamp accessed, modified;  // nanoseconds may be UTIME_NOW or UTIME_OMIT
  std::uint32_t flags = 0;
  std::string_view path;
  QNET_FIELDS(accessed, modified, flags, path)
  bool is_plausible() const { return is_path(path); }
};
using ChangeTimesReply = Empty;

struct TruncateRequest {
  std::int64_t length_bytes = 0;
  std::string_view path;
  QNET_FIELDS(length_bytes, path)
  bool is_plausible() const { return is_path(path); }
};
using TruncateReply = Empty;

/// statfs(2).
struct GetFileSystemRequest {
  std::string_view path;
  QNET_FIELDS(path)
  bool is_plausible() const { return is_path(path); }
};
struct GetFileSystemReply {
  std::uint64_t type = 0, block_size = 0, blocks = 0, blocks_free = 0, blocks_available = 0, files = 0, files_free = 0;
  std::uint64_t id = 0, name_bytes_max = 0, fragment_size = 0, flags = 0;
  QNET_FIELDS(type, block_size, blocks, blocks_free, blocks_available, files, files_free, id, name_bytes_max,
              fragment_size, flags)
};

/// pathconf(3). `value` -1 with error 0: no limit.
struct GetPathLimitRequest {
  std::uint32_t name = 0;  // _PC_*, glibc's numbers
  std::string_view path;
  QNET_FIELDS(name, path)
  bool is_plausible() const { return is_path(path); }
};
struct GetPathLimitReply {
  std::int64_t value = 0;
  QNET_FIELDS(value)
};

}  // namespace qnet::wire
