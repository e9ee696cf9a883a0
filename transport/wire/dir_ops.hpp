// SPDX-License-Identifier: Apache-2.0
//
// dir_ops.hpp: what do the operations that list or change directories say?
//
// Paths: see OpenRequest. The second path of Rename and Link is relative to RequestHeader::second_handle.
#pragma once

#include <cerrno>

#include "transport/wire/file_ops.hpp"

namespace qnet::wire {

/// Least room for entries, and for entries with attributes.
inline constexpr std::size_t kListingBytesMin = 512, kAttributesListingBytesMin = 2048;

/// getdents64(2) at the handle's position.
struct ReadDirectoryRequest {
  std::uint32_t length_bytes = 0;    // of the reply, kListingBytesMin to kDataBytesMax
  std::uint8_t with_attributes = 0;  // 1: each entry is followed by its Attributes, as of lstat(2); mask 0: not known
  QNET_FIELDS(length_bytes, with_attributes)
  bool is_plausible() const {
    const std::size_t least_bytes = with_attributes != 0 ? kAttributesListingBytesMin : kListingBytesMin;
    return length_bytes >= least_bytes && length_bytes <= kDataBytesMax && with_attributes <= 1;
  }
};
/// DirectoryEntry (and Attributes), one behind the other; nothing at the end of the directory. An entry without a name
/// (and without Attributes) as the last one: the end comes next, and need not be asked for.
struct ReadDirectoryReply {
  Tail entries;
  QNET_FIELDS(entries)
};
struct DirectoryEntry {
  std::uint64_t inode = 0;
  std::int64_t next = 0;  // position of the next entry, for Seek
  std::uint8_t type = 0;  // DT_*
  std::string_view name;  // 1 to kNameBytesMax bytes, or none: see above
  QNET_FIELDS(inode, next, type, name)
};
inline constexpr std::size_t kNameBytesMax = 255;

/// The next of `entries`, which loses it; `with_attributes` as in the request. False at their end, or that of the
/// directory: `entries` is empty then. EIO for what no owner sends: a program would take the name for a path.
inline Result<bool> take_entry(ByteView& entries, bool with_attributes, DirectoryEntry& entry, Attributes& attributes) {
  if (entries.empty()) return false;
  Reader in(entries);
  get_field(in, entry);
  if (!in.has_failed() && entry.name.empty()) {
    entries = {};
    return false;
  }
  if (with_attributes) get_field(in, attributes);
  constexpr std::string_view kNeverInAName("/\0", 2);
  if (in.has_failed() || entry.name.size() > kNameBytesMax ||
      entry.name.find_first_of(kNeverInAName) != std::string_view::npos) {
    return fail(EIO, "directory entry");
  }
  entries = in.rest();
  return true;
}

struct MakeDirectoryRequest {
  std::uint32_t mode = 0;  // new_mode()
  std::string_view path;
  QNET_FIELDS(mode, path)
  bool is_plausible() const { return is_path(path); }
};
using MakeDirectoryReply = Empty;

/// mknod(2), mkfifo(3).
struct MakeNodeRequest {
  std::uint32_t mode = 0;  // new_mode(), with the type
  std::uint32_t device_major = 0, device_minor = 0;
  std::string_view path;
  QNET_FIELDS(mode, device_major, device_minor, path)
  bool is_plausible() const { return is_path(path); }
};
using MakeNodeReply = Empty;

struct MakeSymlinkRequest {
  std::string_view content;  // as given, never interpreted here
  std::string_view path;
  QNET_FIELDS(content, path)
  bool is_plausible() const { return is_path(content) && is_path(path); }
};
using MakeSymlinkReply = Empty;

/// linkat(2).
struct LinkRequest {
  std::uint32_t flags = 0;  // AT_SYMLINK_FOLLOW, AT_EMPTY_PATH
  std::string_view source, target;
  QNET_FIELDS(flags, source, target)
  bool is_plausible() const { return is_path(source) && is_path(target); }
};
using LinkReply = Empty;

/// unlinkat(2).
struct UnlinkRequest {
  std::uint32_t flags = 0;  // AT_REMOVEDIR
  std::string_view path;
  QNET_FIELDS(flags, path)
  bool is_plausible() const { return is_path(path); }
};
using UnlinkReply = Empty;

/// renameat2(2).
struct RenameRequest {
  std::uint32_t flags = 0;  // RENAME_*
  std::string_view source, target;
  QNET_FIELDS(flags, source, target)
  bool is_plausible() const { return is_path(source) && is_path(target); }
};
using RenameReply = Empty;

}  // namespace qnet::wire
