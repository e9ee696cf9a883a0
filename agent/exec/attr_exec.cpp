// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/attr_exec.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cstring>

#include "agent/exec/reply.hpp"
#include "agent/exec/resolve.hpp"
#include "agent/exec/statx.hpp"

namespace qnet::exec {
namespace {

bool follows(std::uint32_t flags) {
  return (flags & AT_SYMLINK_NOFOLLOW) == 0;
}
bool has_empty_path_flag(std::uint32_t flags) {
  return (flags & AT_EMPTY_PATH) != 0;
}

/// One system call on one place, which returns -1 and errno when it fails.
template <class SystemCall>
Status on_place(Call& call, std::string_view path, bool follow_last, const char* where, SystemCall system_call) {
  Place place;
  if (const Status located = locate(call, call.handle(), path, 0, place); !located) return located;
  if (system_call(place) >= 0) return {};
  return fail(explain(call, place, errno, follow_last, 0, where));
}

/// readlink() of what the kernel knows about a descriptor.
Result<Buffer> path_of(int fd) {
  const ProcessPath link(fd);
  char text[wire::kPathBytesMax];
  const ssize_t size = ::readlink(link.text, text, sizeof text);
  if (size < 0) return fail_errno("readlink /proc/self/fd");
  return to_body(wire::ResolvePathReply{.path = {text, static_cast<std::size_t>(size)}});
}

Status check_resolved(int fd, std::uint32_t flags) {
  struct stat found;
  if ((flags & (wire::kResolveDirectory | wire::kResolveLinked)) != 0) {
    if (::fstat(fd, &found) != 0) return fail_errno("fstat");
    if ((flags & wire::kResolveDirectory) != 0 && !S_ISDIR(found.st_mode)) return fail(ENOTDIR, "resolve");
    if ((flags & wire::kResolveLinked) != 0 && found.st_nlink == 0) return fail(ENOENT, "resolve: removed");
  }
  if ((flags & wire::kResolveSearch) != 0) {
    if (::faccessat(fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) != 0) return fail_errno("faccessat");
  }
  return {};
}

}  // namespace

Result<wire::GetAttributesReply> execute(op::GetAttributes, Call& call, const wire::GetAttributesRequest& request) {
  struct statx found;
  const Status got = on_place(call, request.path, follows(request.flags), "statx", [&](const Place& place) {
    const int flags = static_cast<int>(request.flags) | AT_NO_AUTOMOUNT | (place.is_open_thing() ? AT_EMPTY_PATH : 0);
    return ::statx(place.directory(), place.name(), flags, kAttributesMask, &found);
  });
  if (!got) return fail(got.error());
  return to_wire(found);
}

Result<wire::CheckAccessReply> execute(op::CheckAccess, Call& call, const wire::CheckAccessRequest& request) {
  const Status may = on_place(call, request.path, follows(request.flags), "faccessat", [&](const Place& place) {
    const int flags = static_cast<int>(request.flags) | AT_EACCESS | (place.is_open_thing() ? AT_EMPTY_PATH : 0);
    return ::faccessat(place.directory(), place.name(), static_cast<int>(request.mode), flags);
  });
  if (!may) return fail(may.error());
  return wire::CheckAccessReply{};
}

Result<Buffer> execute(op::ReadLink, Call& call, const wire::ReadLinkRequest& request) {
  char content[wire::kPathBytesMax + 1];
  ssize_t size = 0;
  const Status got = on_place(call, request.path, false, "readlinkat", [&](const Place& place) {
    return size = ::readlinkat(place.directory(), place.name(), content, sizeof content);
  });
  if (!got) return fail(got.error());
  return to_body(wire::ReadLinkReply{.content = {content, static_cast<std::size_t>(size)}});
}

Result<Buffer> execute(op::ResolvePath, Call& call, const wire::ResolvePathRequest& request) {
  Place place;
  if (const Status found = locate(call, call.handle(), request.path, 0, place); !found) return fail(found.error());
  UniqueFd opened;
  int fd = place.directory();
  if (!place.is_open_thing()) {
    opened.reset(::openat(place.directory(), place.name(), O_PATH | O_CLOEXEC));
    if (!opened) return fail(explain(call, place, errno, true, 0, "open O_PATH"));
    fd = opened.get();
  }
  if (const Status checked = check_resolved(fd, request.flags); !checked) return fail(checked.error());
  return path_of(fd);
}

Result<wire::ChangeModeReply> execute(op::ChangeMode, Call& call, const wire::ChangeModeRequest& request) {
  const bool by_proc = has_empty_path_flag(request.flags);
  const Status changed = on_place(call, request.path, follows(request.flags), "fchmodat", [&](const Place& place) {
    if (!place.is_open_thing()) {
      const auto flags = static_cast<int>(request.flags & ~std::uint32_t{AT_EMPTY_PATH});
      return ::fchmodat(place.directory(), place.name(), request.mode, flags);
    }
    if (by_proc) return ::fchmodat(AT_FDCWD, ProcessPath(place.directory()).text, request.mode, 0);
    return ::fchmod(place.directory(), request.mode);
  });
  if (!changed) return fail(changed.error());
  return wire::ChangeModeReply{};
}

Result<wire::ChangeOwnerReply> execute(op::ChangeOwner, Call& call, const wire::ChangeOwnerRequest& request) {
  const Status changed = on_place(call, request.path, follows(request.flags), "fchownat", [&](const Place& place) {
    if (place.is_open_thing() && !has_empty_path_flag(request.flags)) {
      return ::fchown(place.directory(), request.user, request.group);
    }
    const auto flags = static_cast<int>(request.flags);
    return ::fchownat(place.directory(), place.name(), request.user, request.group, flags);
  });
  if (!changed) return fail(changed.error());
  return wire::ChangeOwnerReply{};
}

Result<wire::ChangeTimesReply> execute(op::ChangeTimes, Call& call, const wire::ChangeTimesRequest& request) {
  const auto to_host = [](const wire::Timestamp& time) {
    return timespec{.tv_sec = time.seconds, .tv_nsec = time.nanoseconds};
  };
  const timespec times[2] = {to_host(request.accessed), to_host(request.modified)};
  const Status changed = on_place(call, request.path, follows(request.flags), "utimensat", [&](const Place& place) {
    if (place.is_open_thing() && !has_empty_path_flag(request.flags)) return ::futimens(place.directory(), times);
    return ::utimensat(place.directory(), place.name(), times, static_cast<int>(request.flags));
  });
  if (!changed) return fail(changed.error());
  return wire::ChangeTimesReply{};
}

Result<wire::TruncateReply> execute(op::Truncate, Call& call, const wire::TruncateRequest& request) {
  Place place;
  if (const Status found = locate(call, call.handle(), request.path, 0, place); !found) return fail(found.error());
  if (place.is_open_thing()) {
    if (::ftruncate(place.directory(), request.length_bytes) != 0) return fail_errno("ftruncate");
    return wire::TruncateReply{};
  }
  if (const Status absolute = place.make_absolute(); !absolute) return fail(absolute.error());
  if (::truncate(place.name(), request.length_bytes) != 0) {
    return fail(explain(call, place, errno, true, 0, "truncate"));
  }
  return wire::TruncateReply{};
}

Result<wire::GetFileSystemReply> execute(op::GetFileSystem, Call& call, const wire::GetFileSystemRequest& request) {
  Place place;
  if (const Status found = locate(call, call.handle(), request.path, 0, place); !found) return fail(found.error());
  struct statfs found;
  if (place.is_open_thing()) {
    if (::fstatfs(place.directory(), &found) != 0) return fail_errno("fstatfs");
  } else {
    if (const Status absolute = place.make_absolute(); !absolute) return fail(absolute.error());
    if (::statfs(place.name(), &found) != 0) return fail(explain(call, place, errno, true, 0, "statfs"));
  }
  std::uint64_t id = 0;
  static_assert(sizeof found.f_fsid == sizeof id);
  std::memcpy(&id, &found.f_fsid, sizeof id);
  return wire::GetFileSystemReply{.type = static_cast<std::uint64_t>(found.f_type),
                                  .block_size = static_cast<std::uint64_t>(found.f_bsize),
                                  .blocks = found.f_blocks,
                                  .blocks_free = found.f_bfree,
                                  .blocks_available = found.f_bavail,
                                  .files = found.f_files,
                                  .files_free = found.f_ffree,
                                  .id = id,
                                  .name_bytes_max = static_cast<std::uint64_t>(found.f_namelen),
                                  .fragment_size = static_cast<std::uint64_t>(found.f_frsize),
                                  .flags = static_cast<std::uint64_t>(found.f_flags)};
}

Result<wire::GetPathLimitReply> execute(op::GetPathLimit, Call& call, const wire::GetPathLimitRequest& request) {
  Place place;
  if (const Status found = locate(call, call.handle(), request.path, 0, place); !found) return fail(found.error());
  const auto name = static_cast<int>(request.name);
  const bool is_open_thing = place.is_open_thing();
  if (!is_open_thing) {
    if (const Status absolute = place.make_absolute(); !absolute) return fail(absolute.error());
  }
  errno = 0;  // -1 without an error: there is no limit.
  const long value = is_open_thing ? ::fpathconf(place.directory(), name) : ::pathconf(place.name(), name);
  if (value < 0 && errno != 0) return fail(explain(call, place, errno, true, 0, "pathconf"));
  return wire::GetPathLimitReply{.value = value};
}

}  // namespace qnet::exec
