// SPDX-License-Identifier: Apache-2.0
//
// file_ops.hpp: what do the operations on something open say? Fields and limits of each request and reply.
//
// The handle is in the RequestHeader. Flags and constants are Linux's generic (x86-64) numbers.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>

#include "transport/wire/attributes.hpp"
#include "transport/wire/message.hpp"

// Every message lists its fields once; the two overloads differ in const only.
#define QNET_FIELDS(...)          \
  auto fields() {                 \
    return std::tie(__VA_ARGS__); \
  }                               \
  auto fields() const {           \
    return std::tie(__VA_ARGS__); \
  }

namespace qnet::wire {

/// A message without a body.
struct Empty {
  auto fields() { return std::tie(); }
  auto fields() const { return std::tie(); }
};

/// Most bytes that the reply to an Open brings along.
inline constexpr std::uint32_t kContentsBytesMax = 4096;

inline bool is_path(std::string_view path) {
  return path.size() <= kPathBytesMax;
}

/// The body of a reply whose error is kErrorRedirect: start again with this path.
struct RedirectReply {
  std::uint8_t which = 0;     // 0: the first path of the request, 1: the second
  std::uint8_t is_local = 0;  // 0: `path` is below the prefix ("/b/etc/x", "/" is the list of nodes);
                              // 1: the walk left the prefix upwards, `path` is the caller's local path
  std::string_view path;      // begins with '/'; what remained of the path is appended, not collapsed

  QNET_FIELDS(which, is_local, path)
  bool is_plausible() const { return which <= 1 && is_local <= 1 && path.starts_with('/') && is_path(path); }
};

/// The mode of something new: permissions and type as the program gave them, above them the program's umask.
constexpr std::uint32_t new_mode(std::uint32_t mode, std::uint32_t umask) {
  return (mode & 0xffff) | (umask & 0777) << 16;
}
constexpr std::uint32_t mode_of(std::uint32_t new_mode) {
  return new_mode & 0xffff;
}
constexpr std::uint32_t umask_of(std::uint32_t new_mode) {
  return new_mode >> 16 & 0777;
}

/// open(2), openat(2), creat(2). A path on the node ("" or "/…" with handle 0), or relative to the handle; an empty
/// path with a handle opens the same file anew, as open("/proc/self/fd/N") does.
struct OpenRequest {
  std::uint32_t flags = 0;               // O_*; O_CLOEXEC is kept by the local agent for the descriptor that it passes
  std::uint32_t mode = 0;                // new_mode()
  std::uint32_t contents_bytes_max = 0;  // a regular file that is not longer comes with its contents; 0: never
  std::string_view path;

  QNET_FIELDS(flags, mode, contents_bytes_max, path)
  bool is_plausible() const { return contents_bytes_max <= kContentsBytesMax && is_path(path); }
};

/// The local agent adds the application's descriptor (SCM_RIGHTS) and keeps the rest.
struct OpenReply {
  std::uint64_t handle = 0;
  std::uint8_t kind = 0;  // HandleKind
  Attributes attributes;
  Tail contents;  // the whole file, read after `attributes`; empty: not brought. The offset is still 0

  QNET_FIELDS(handle, kind, attributes, contents)
};

/// Sent by the local agent when the last descriptor is gone; nobody waits for the reply.
using CloseRequest = Empty;
using CloseReply = Empty;

/// read(2), pread(2). May return fewer bytes; none is end of file.
struct ReadRequest {
  static constexpr std::int64_t kCurrentOffset = -1;

  std::int64_t offset_bytes = kCurrentOffset;  // else pread
  std::uint32_t length_bytes = 0;              // 0 to kDataBytesMax
  std::uint8_t may_block = 1;                  // 0: EAGAIN instead of waiting (O_NONBLOCK of the handle counts as well)

  QNET_FIELDS(offset_bytes, length_bytes, may_block)
  bool is_plausible() const { return offset_bytes >= kCurrentOffset && length_bytes <= kDataBytesMax; }
};
struct ReadReply {
  Tail data;
  QNET_FIELDS(data)
};

/// write(2), pwrite(2).
struct WriteRequest {
  /// Where `data` begins, for those who have it already and lay the rest before it.
  static constexpr std::size_t kDataAt = sizeof(std::int64_t) + sizeof(std::uint8_t);

  std::int64_t offset_bytes = ReadRequest::kCurrentOffset;
  std::uint8_t may_block = 1;
  Tail data;  // 0 to kDataBytesMax

  QNET_FIELDS(offset_bytes, may_block, data)
  bool is_plausible() const {
    return offset_bytes >= ReadRequest::kCurrentOffset && data.bytes.size() <= kDataBytesMax;
  }
};
struct WriteReply {
  std::uint32_t written_bytes = 0;
  QNET_FIELDS(written_bytes)
};

/// lseek(2); on a directory, seekdir and rewinddir with the cookies of ReadDirectory.
struct SeekRequest {
  std::int64_t offset = 0;
  std::uint32_t whence = 0;  // SEEK_SET … SEEK_HOLE
  QNET_FIELDS(offset, whence)
};
struct SeekReply {
  std::int64_t offset = 0;
  QNET_FIELDS(offset)
};

enum class SyncKind : std::uint8_t { kAll = 0, kData = 1, kFileSystem = 2, kRange = 3 };
struct SyncRequest {
  std::uint8_t kind = 0;                // SyncKind
  std::int64_t offset = 0, length = 0;  // kRange only
  std::uint32_t flags = 0;              // kRange only
  QNET_FIELDS(kind, offset, length, flags)
  bool is_plausible() const { return kind <= static_cast<std::uint8_t>(SyncKind::kRange); }
};
using SyncReply = Empty;

/// fallocate(2).
struct AllocateRequest {
  std::uint32_t mode = 0;
  std::int64_t offset = 0, length = 0;
  QNET_FIELDS(mode, offset, length)
};
using AllocateReply = Empty;

/// posix_fadvise(2), readahead(2). Advice that the owner's kernel may ignore.
struct AdviseRequest {
  std::int64_t offset = 0, length = 0;
  std::uint32_t advice = 0;
  QNET_FIELDS(offset, length, advice)
};
using AdviseReply = Empty;

/// flock(2): belongs to the open file description, that is to the handle. Waits unless LOCK_NB is given.
struct LockWholeRequest {
  std::uint32_t operation = 0;
  QNET_FIELDS(operation)
};
using LockWholeReply = Empty;

enum class LockCommand : std::uint8_t { kGet = 0, kSet = 1, kSetWait = 2 };
/// fcntl(2) record locks. POSIX locks belong to the calling process (Caller::process on its node), OFD locks to the
/// handle.
struct LockRangeRequest {
  std::uint8_t command = 0;  // LockCommand
  std::uint8_t is_ofd = 0;
  std::uint16_t type = 0;  // F_RDLCK, F_WRLCK, F_UNLCK
  std::uint16_t whence = 0;
  std::int64_t start = 0, length = 0;
  QNET_FIELDS(command, is_ofd, type, whence, start, length)
  bool is_plausible() const { return command <= 2 && is_ofd <= 1; }
};
/// kGet: the lock that is in the way, or type F_UNLCK.
struct LockRangeReply {
  std::uint16_t type = 0;
  std::uint16_t whence = 0;
  std::int64_t start = 0, length = 0;
  std::int32_t process = 0;  // 0 where the owner cannot tell
  QNET_FIELDS(type, whence, start, length, process)
};

/// Drops POSIX locks of the calling process: with a handle those on that file (close(2) does so), without all of them
/// (sent by the local agent when the process is gone).
using ReleaseLocksRequest = Empty;
using ReleaseLocksReply = Empty;

/// fcntl F_GETFL, F_SETFL.
using GetFlagsRequest = Empty;
struct GetFlagsReply {
  std::uint32_t flags = 0;
  QNET_FIELDS(flags)
};
struct SetFlagsRequest {
  std::uint32_t flags = 0;  // O_APPEND, O_NONBLOCK, O_NOATIME, O_DIRECT, O_ASYNC
  QNET_FIELDS(flags)
};
using SetFlagsReply = Empty;

/// poll(2) on one handle: waits until one of `events` (POLL*) holds or the time is over.
struct PollRequest {
  std::uint32_t events = 0;
  std::int64_t timeout_ms = 0;  // -1: for ever
  QNET_FIELDS(events, timeout_ms)
};
struct PollReply {
  std::uint32_t events = 0;
  QNET_FIELDS(events)
};

}  // namespace qnet::wire
