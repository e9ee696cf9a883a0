// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/xattr_exec.hpp"

#include <fcntl.h>
#include <sys/xattr.h>

#include <string>

#include "agent/exec/reply.hpp"
#include "agent/exec/resolve.hpp"

namespace qnet::exec {
namespace {

/// The three spellings of one system call: on a descriptor, on a path, on a path whose last symlink is kept.
template <class OnOpen, class OnPath, class OnLink>
Result<ssize_t> on_place(Call& call, std::string_view path, std::uint32_t flags, const char* where, OnOpen on_open,
                         OnPath on_path, OnLink on_link) {
  Place place;
  if (const Status found = locate(call, call.handle(), path, 0, place); !found) return fail(found.error());
  if (place.is_open_thing()) {
    const ssize_t value = on_open(place.directory());
    if (value < 0) return fail_errno(where);
    return value;
  }
  if (const Status absolute = place.make_absolute(); !absolute) return fail(absolute.error());
  const bool follows = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  const ssize_t value = follows ? on_path(place.name()) : on_link(place.name());
  if (value < 0) return fail(explain(call, place, errno, follows, 0, where));
  return value;
}

/// `get` fills `room` and returns a size as getxattr(2) does.
template <class Get>
Result<Buffer> reply_with(std::uint32_t room_bytes, Get get) {
  std::string room(room_bytes, '\0');
  const Result<ssize_t> size = get(room);
  if (!size) return fail(size.error());
  const auto size_bytes = static_cast<std::uint32_t>(*size);
  room.resize(room_bytes == 0 ? 0 : size_bytes);
  return to_body(wire::GetXattrReply{.size_bytes = size_bytes, .value = {as_bytes(room)}});
}

}  // namespace

Result<Buffer> execute(op::GetXattr, Call& call, const wire::GetXattrRequest& request) {
  const std::string name(request.name);
  return reply_with(request.room_bytes, [&](std::string& room) {
    return on_place(
        call, request.path, request.flags, "getxattr",
        [&](int fd) { return ::fgetxattr(fd, name.c_str(), room.data(), room.size()); },
        [&](const char* path) { return ::getxattr(path, name.c_str(), room.data(), room.size()); },
        [&](const char* path) { return ::lgetxattr(path, name.c_str(), room.data(), room.size()); });
  });
}

Result<Buffer> execute(op::ListXattr, Call& call, const wire::ListXattrRequest& request) {
  return reply_with(request.room_bytes, [&](std::string& room) {
    return on_place(
        call, request.path, request.flags, "listxattr",
        [&](int fd) { return ::flistxattr(fd, room.data(), room.size()); },
        [&](const char* path) { return ::listxattr(path, room.data(), room.size()); },
        [&](const char* path) { return ::llistxattr(path, room.data(), room.size()); });
  });
}

Result<wire::SetXattrReply> execute(op::SetXattr, Call& call, const wire::SetXattrRequest& request) {
  const std::string name(request.name);
  const ByteView value = request.value.bytes;
  const auto mode = static_cast<int>(request.mode);
  const Result<ssize_t> done = on_place(
      call, request.path, request.flags, "setxattr",
      [&](int fd) { return ::fsetxattr(fd, name.c_str(), value.data(), value.size(), mode); },
      [&](const char* path) { return ::setxattr(path, name.c_str(), value.data(), value.size(), mode); },
      [&](const char* path) { return ::lsetxattr(path, name.c_str(), value.data(), value.size(), mode); });
  if (!done) return fail(done.error());
  return wire::SetXattrReply{};
}

Result<wire::RemoveXattrReply> execute(op::RemoveXattr, Call& call, const wire::RemoveXattrRequest& request) {
  const std::string name(request.name);
  const Result<ssize_t> done = on_place(
      call, request.path, request.flags, "removexattr", [&](int fd) { return ::fremovexattr(fd, name.c_str()); },
      [&](const char* path) { return ::removexattr(path, name.c_str()); },
      [&](const char* path) { return ::lremovexattr(path, name.c_str()); });
  if (!done) return fail(done.error());
  return wire::RemoveXattrReply{};
}

}  // namespace qnet::exec
