// SPDX-License-Identifier: Apache-2.0
//
// xattr_calls.cpp: which extended attributes, and with them ACLs, has a file?
//
// The owner's system call, as the caller. Values and lists come by way of the exchange; what is longer than that has
// room for (rare) is asked for again, into memory from the kernel.
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstring>

#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/scratch.hpp"
#include "transport/base/raw_syscall.hpp"
#include "transport/wire/xattr_ops.hpp"

namespace qnet::preload {
namespace {

using wire::Opcode;

constexpr std::size_t kShortBytes = 4096;
constexpr std::size_t kLongReplyBytes = wire::kXattrValueBytesMax + 4096;

/// Where a value or a list goes; without bytes only its size is wanted.
struct Room {
  void* memory = nullptr;
  std::size_t bytes = 0;
};

/// The object of a call: inside by_path(), or something open.
struct Object {
  client::Place place;
  int prove_fd = -1;
  std::uint32_t flags = 0;
};

Object object_of(const Routed& routed, LastLink last) {
  const std::uint32_t flags = last == LastLink::kKeep ? std::uint32_t{AT_SYMLINK_NOFOLLOW} : 0;
  return {routed.place, routed.prove_fd, flags};
}

/// One trip. Returns the size, the value is in `room`. `reply` holds the value on its way.
template <class Request>
Result<ssize_t> fetch_into(const Object& object, Opcode opcode, const Request& request, Room room, MutableBytes reply,
                           client::Exchange& exchange) {
  client::CallOptions options;
  options.prove_fd = object.prove_fd;
  const Result<ByteView> body = wire::encode(request, exchange.request);
  if (!body) return fail(ENAMETOOLONG, "xattr");
  const client::ReplyRoom reply_room{reply, nullptr, &exchange.redirect};
  const Result<ByteView> answer = client::call_bytes(opcode, object.place, *body, reply_room, options);
  if (!answer) return fail(answer.error());
  const Result<wire::GetXattrReply> got = wire::decode<wire::GetXattrReply>(*answer);
  if (!got || got->value.bytes.size() > room.bytes) return fail(EIO, "xattr");
  if (!got->value.bytes.empty()) std::memcpy(room.memory, got->value.bytes.data(), got->value.bytes.size());
  return static_cast<ssize_t>(got->size_bytes);
}

template <class Request>
Result<ssize_t> fetch(const Object& object, Opcode opcode, Request request, Room room, client::Exchange& exchange) {
  request.flags = object.flags;
  request.path = object.place.path;
  request.room_bytes = static_cast<std::uint32_t>(std::min(room.bytes, kShortBytes));
  const Result<ssize_t> size = fetch_into(object, opcode, request, room, exchange.reply, exchange);
  if (size || size.error().code != ERANGE || room.bytes <= kShortBytes) return size;

  const long memory =
      raw_syscall(SYS_mmap, nullptr, kLongReplyBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (is_raw_error(memory)) return fail(ENOMEM, "xattr");
  request.room_bytes = static_cast<std::uint32_t>(std::min(room.bytes, wire::kXattrValueBytesMax));
  const MutableBytes reply(reinterpret_cast<std::byte*>(memory), kLongReplyBytes);
  const Result<ssize_t> long_size = fetch_into(object, opcode, request, room, reply, exchange);
  raw_syscall(SYS_munmap, memory, kLongReplyBytes);
  return long_size;
}

template <class Request>
Result<int> change(const Object& object, Opcode opcode, Request request, Room value, client::Exchange& exchange) {
  request.flags = object.flags;
  request.path = object.place.path;
  const iovec piece{value.memory, value.bytes};
  client::CallOptions options;
  options.prove_fd = object.prove_fd;
  if (value.bytes != 0) options.data_out = {&piece, 1};
  const auto done = client::call<wire::Empty>(opcode, object.place, request, exchange, options);
  if (!done) return fail(done.error());
  return 0;
}

/// What the kernel says before it looks for the file.
int error_of_name(const char* name) {
  if (name == nullptr) return EFAULT;
  const std::size_t size = strnlen(name, XATTR_NAME_MAX + 1);
  return size == 0 || size > XATTR_NAME_MAX ? ERANGE : 0;
}

/// `ask`: Result<Value>(const Object&, Exchange&).
template <class Local, class Ask>
auto by_attribute_path(const char* path, LastLink last, Local local, Ask ask) -> decltype(local(path)) {
  using Value = decltype(local(path));
  return by_path(
      AT_FDCWD, path, last, [&](int, const char* local_path) { return local(local_path); },
      [&](const Routed& routed, client::Exchange& exchange) -> Result<Value> {
        return ask(object_of(routed, last), exchange);
      });
}

/// False: the descriptor is local. Else `value` and errno are set.
template <class Value, class Ask>
bool by_remote_descriptor(int fd, Ask ask, Value& value) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return false;
  const Scratch<client::Exchange> exchange;
  if (found.error != 0) value = refuse(found.error);
  else if (!exchange) value = refuse(ENOMEM);
  else value = finish_remote<Value>(ask(Object{{found.target(), found.handle, {}}, found.fd, 0}, *exchange));
  return true;
}

auto getting(const char* name, void* value, std::size_t room) {
  return [=](const Object& object, client::Exchange& exchange) -> Result<ssize_t> {
    if (const int error = error_of_name(name); error != 0) return fail(error, "xattr");
    const wire::GetXattrRequest request{.path = {}, .name = name};
    return fetch(object, Opcode::kGetXattr, request, Room{value, room}, exchange);
  };
}

auto listing(char* list, std::size_t room) {
  return [=](const Object& object, client::Exchange& exchange) {
    return fetch(object, Opcode::kListXattr, wire::ListXattrRequest{}, Room{list, room}, exchange);
  };
}

auto setting(const char* name, const void* value, std::size_t size, int flags) {
  return [=](const Object& object, client::Exchange& exchange) -> Result<int> {
    if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0) return fail(EINVAL, "xattr");
    if (const int error = error_of_name(name); error != 0) return fail(error, "xattr");
    if (size > wire::kXattrValueBytesMax) return fail(E2BIG, "xattr");
    const wire::SetXattrRequest request{
        .mode = static_cast<std::uint32_t>(flags), .path = {}, .name = name, .value = {}};
    return change(object, Opcode::kSetXattr, request, Room{const_cast<void*>(value), size}, exchange);
  };
}

auto removing(const char* name) {
  return [=](const Object& object, client::Exchange& exchange) -> Result<int> {
    if (const int error = error_of_name(name); error != 0) return fail(error, "xattr");
    const wire::RemoveXattrRequest request{.path = {}, .name = name};
    return change(object, Opcode::kRemoveXattr, request, Room{}, exchange);
  };
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" ssize_t qnet_getxattr(const char* path, const char* name, void* value, size_t room) {
  return by_attribute_path(
      path, LastLink::kFollow, [=](const char* local) { return libc().getxattr(local, name, value, room); },
      getting(name, value, room));
}
extern "C" ssize_t qnet_lgetxattr(const char* path, const char* name, void* value, size_t room) {
  return by_attribute_path(
      path, LastLink::kKeep, [=](const char* local) { return libc().lgetxattr(local, name, value, room); },
      getting(name, value, room));
}
extern "C" ssize_t qnet_fgetxattr(int fd, const char* name, void* value, size_t room) {
  ssize_t size = 0;
  if (by_remote_descriptor(fd, getting(name, value, room), size)) return size;
  return libc().fgetxattr(fd, name, value, room);
}

extern "C" int qnet_setxattr(const char* path, const char* name, const void* value, size_t size, int flags) {
  return by_attribute_path(
      path, LastLink::kFollow, [=](const char* local) { return libc().setxattr(local, name, value, size, flags); },
      setting(name, value, size, flags));
}
extern "C" int qnet_lsetxattr(const char* path, const char* name, const void* value, size_t size, int flags) {
  return by_attribute_path(
      path, LastLink::kKeep, [=](const char* local) { return libc().lsetxattr(local, name, value, size, flags); },
      setting(name, value, size, flags));
}
extern "C" int qnet_fsetxattr(int fd, const char* name, const void* value, size_t size, int flags) {
  int result = 0;
  if (by_remote_descriptor(fd, setting(name, value, size, flags), result)) return result;
  return libc().fsetxattr(fd, name, value, size, flags);
}

extern "C" ssize_t qnet_listxattr(const char* path, char* list, size_t room) {
  return by_attribute_path(
      path, LastLink::kFollow, [=](const char* local) { return libc().listxattr(local, list, room); },
      listing(list, room));
}
extern "C" ssize_t qnet_llistxattr(const char* path, char* list, size_t room) {
  return by_attribute_path(
      path, LastLink::kKeep, [=](const char* local) { return libc().llistxattr(local, list, room); },
      listing(list, room));
}
extern "C" ssize_t qnet_flistxattr(int fd, char* list, size_t room) {
  ssize_t size = 0;
  return by_remote_descriptor(fd, listing(list, room), size) ? size : libc().flistxattr(fd, list, room);
}

extern "C" int qnet_removexattr(const char* path, const char* name) {
  return by_attribute_path(
      path, LastLink::kFollow, [=](const char* local) { return libc().removexattr(local, name); }, removing(name));
}
extern "C" int qnet_lremovexattr(const char* path, const char* name) {
  return by_attribute_path(
      path, LastLink::kKeep, [=](const char* local) { return libc().lremovexattr(local, name); }, removing(name));
}
extern "C" int qnet_fremovexattr(int fd, const char* name) {
  int result = 0;
  return by_remote_descriptor(fd, removing(name), result) ? result : libc().fremovexattr(fd, name);
}
