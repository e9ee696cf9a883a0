// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/dir_exec.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "agent/exec/caller_umask.hpp"
#include "agent/exec/resolve.hpp"
#include "agent/exec/statx.hpp"

namespace qnet::exec {
namespace {

// A record of getdents64: u64 inode, i64 next, u16 record length, u8 type, name with NUL, padding.
constexpr std::size_t kRecordLengthAt = 16, kTypeAt = 18, kNameAt = 19;
// A DirectoryEntry: u64 inode, i64 next, u8 type, u16 name length, name. Never longer than the record.
static_assert(kNameAt == 8 + 8 + 1 + 2);

/// As of lstat(2); nothing known if it is gone meanwhile, or may not be asked.
wire::Attributes attributes_of(int directory, const char* name) {
  struct statx found;
  const int how = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  return ::statx(directory, name, how, kAttributesMask, &found) == 0 ? to_wire(found) : wire::Attributes();
}

/// An entry of 1 byte, the shortest, takes 24 bytes as a record; with its attributes every entry fits into 7 times as
/// much.
constexpr std::size_t kGrowthMax = 7;
constexpr std::size_t kLongestRecordBytes = 280;
static_assert(wire::kAttributesListingBytesMin / kGrowthMax >= kLongestRecordBytes);

struct Records {
  std::size_t size_bytes = 0;
  bool is_end = false;  // there is something, and nothing behind it
};

/// As many as fit, so that small directories come with their end.
Result<Records> read_records(int fd, MutableBytes room) {
  Records records;
  do {
    const MutableBytes rest = room.subspan(records.size_bytes);
    const long count = ::syscall(SYS_getdents64, fd, rest.data(), rest.size());
    if (count < 0 && records.size_bytes == 0) return fail_errno("getdents64");
    if (count <= 0) {
      records.is_end = count == 0 && records.size_bytes != 0;
      break;
    }
    records.size_bytes += static_cast<std::size_t>(count);
  } while (room.size() - records.size_bytes >= kLongestRecordBytes);
  return records;
}

/// Turns the kernel's records into entries at `room`, which may be their own place. With `directory` each entry gets
/// its attributes. Returns the bytes that the entries take.
std::size_t to_entries(ByteView records, MutableBytes room, std::optional<int> directory, bool is_end) {
  std::size_t from = 0;
  wire::Writer out(room);
  while (from < records.size()) {
    const std::byte* const record = records.data() + from;
    wire::DirectoryEntry entry;
    std::uint16_t record_bytes = 0;
    std::memcpy(&entry.inode, record, 8);
    std::memcpy(&entry.next, record + 8, 8);
    std::memcpy(&record_bytes, record + kRecordLengthAt, 2);
    std::memcpy(&entry.type, record + kTypeAt, 1);
    const auto* const name = reinterpret_cast<const char*>(record + kNameAt);
    const std::size_t name_bytes = ::strnlen(name, record_bytes - kNameAt);
    // The name first: what is written in front of it may lie on its old place.
    char kept[256];
    const std::size_t kept_bytes = std::min(name_bytes, sizeof kept - 1);
    std::memcpy(kept, name, kept_bytes);
    kept[kept_bytes] = '\0';
    entry.name = {kept, kept_bytes};
    from += record_bytes;
    wire::put_field(out, entry);
    if (directory) wire::put_field(out, attributes_of(*directory, kept));
  }
  if (is_end) wire::put_field(out, wire::DirectoryEntry());
  return out.written_bytes();
}

/// One system call on one place; `follow_last` as the call does it.
template <class SystemCall>
Status on_place(Call& call, std::string_view path, bool follow_last, const char* where, SystemCall system_call) {
  Place place;
  if (const Status located = locate(call, call.handle(), path, 0, place); !located) return located;
  if (system_call(place) == 0) return {};
  return fail(explain(call, place, errno, follow_last, 0, where));
}

}  // namespace

Result<Buffer> execute(op::ReadDirectory, Call& call, const wire::ReadDirectoryRequest& request) {
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  const int fd = (*file)->fd.get();
  Buffer body(request.length_bytes);
  if (request.with_attributes == 0) {
    const Result<Records> records = read_records(fd, body.bytes());
    if (!records) return fail(records.error());
    body.truncate(
        to_entries(ByteView(body.view()).first(records->size_bytes), body.bytes(), std::nullopt, records->is_end));
    return body;
  }
  Buffer memory(body.size() / kGrowthMax);
  const Result<Records> records = read_records(fd, memory.bytes());
  if (!records) return fail(records.error());
  body.truncate(to_entries(memory.view().first(records->size_bytes), body.bytes(), fd, records->is_end));
  return body;
}

Result<wire::MakeDirectoryReply> execute(op::MakeDirectory, Call& call, const wire::MakeDirectoryRequest& request) {
  const CallerUmask umask(request.mode);
  const Status made = on_place(call, request.path, false, "mkdirat", [&](const Place& place) {
    return ::mkdirat(place.directory(), place.name(), umask.mode());
  });
  if (!made) return fail(made.error());
  return wire::MakeDirectoryReply{};
}

Result<wire::MakeNodeReply> execute(op::MakeNode, Call& call, const wire::MakeNodeRequest& request) {
  const CallerUmask umask(request.mode);
  const Status made = on_place(call, request.path, false, "mknodat", [&](const Place& place) {
    const dev_t device = makedev(request.device_major, request.device_minor);
    return ::mknodat(place.directory(), place.name(), umask.mode(), device);
  });
  if (!made) return fail(made.error());
  return wire::MakeNodeReply{};
}

Result<wire::MakeSymlinkReply> execute(op::MakeSymlink, Call& call, const wire::MakeSymlinkRequest& request) {
  char content[wire::kPathBytesMax + 1];
  std::memcpy(content, request.content.data(), request.content.size());
  content[request.content.size()] = '\0';
  const Status made = on_place(call, request.path, false, "symlinkat", [&](const Place& place) {
    return ::symlinkat(content, place.directory(), place.name());
  });
  if (!made) return fail(made.error());
  return wire::MakeSymlinkReply{};
}

Result<wire::UnlinkReply> execute(op::Unlink, Call& call, const wire::UnlinkRequest& request) {
  const Status removed = on_place(call, request.path, false, "unlinkat", [&](const Place& place) {
    return ::unlinkat(place.directory(), place.name(), static_cast<int>(request.flags));
  });
  if (!removed) return fail(removed.error());
  return wire::UnlinkReply{};
}

Result<wire::LinkReply> execute(op::Link, Call& call, const wire::LinkRequest& request) {
  Place source, target;
  if (const Status found = locate(call, call.handle(), request.source, 0, source); !found) return fail(found.error());
  if (const Status found = locate(call, call.second_handle(), request.target, 1, target); !found) {
    return fail(found.error());
  }
  auto flags = static_cast<int>(request.flags);
  if (source.is_open_thing() && (flags & (AT_EMPTY_PATH | AT_SYMLINK_FOLLOW)) != 0) {
    // AT_EMPTY_PATH wants a capability that the caller need not have; through /proc it is allowed.
    if (const Status absolute = source.make_absolute(); !absolute) return fail(absolute.error());
    flags = AT_SYMLINK_FOLLOW;
  }
  if (::linkat(source.directory(), source.name(), target.directory(), target.name(), flags) == 0) {
    return wire::LinkReply{};
  }
  const Error first = explain(call, source, errno, (flags & AT_SYMLINK_FOLLOW) != 0, 0, "linkat");
  if (first.code == kRedirected) return fail(first);
  return fail(explain(call, target, first.code, false, 1, "linkat"));
}

Result<wire::RenameReply> execute(op::Rename, Call& call, const wire::RenameRequest& request) {
  Place source, target;
  if (const Status found = locate(call, call.handle(), request.source, 0, source); !found) return fail(found.error());
  if (const Status found = locate(call, call.second_handle(), request.target, 1, target); !found) {
    return fail(found.error());
  }
  if (::renameat2(source.directory(), source.name(), target.directory(), target.name(), request.flags) == 0) {
    return wire::RenameReply{};
  }
  const Error first = explain(call, source, errno, false, 0, "renameat2");
  if (first.code == kRedirected) return fail(first);
  return fail(explain(call, target, first.code, false, 1, "renameat2"));
}

}  // namespace qnet::exec
