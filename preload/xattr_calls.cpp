// SPDX-License-Identifier: Apache-2.0
//
// xattr_calls.cpp: which extended attributes has a remote file? (none yet)
//
// Remote files answer EOPNOTSUPP, as file systems without extended attributes do; a path that does not exist says so
// first. ls, cp, tar and rsync go on without them.
#include <fcntl.h>
#include <sys/xattr.h>

#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

namespace qnet::preload {
namespace {

template <class Local>
auto by_attribute_path(const char* path, LastLink last, Local local) -> decltype(local(path)) {
  return by_path(
      AT_FDCWD, path, last, [&](int, const char* local_path) { return local(local_path); },
      [=](const Routed& routed, client::Exchange& exchange) -> Result<decltype(local(path))> {
        const wire::GetAttributesRequest request{
            .flags = last == LastLink::kKeep ? std::uint32_t{AT_SYMLINK_NOFOLLOW} : 0, .path = routed.place.path};
        const auto exists = ask_path<wire::GetAttributesReply>(routed, wire::Opcode::kGetAttributes, request, exchange);
        if (!exists) return fail(exists.error());
        return fail(EOPNOTSUPP, "xattr");
      });
}

bool is_refused(int fd) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return false;
  errno = found.kind == wire::HandleKind::kPath ? EBADF : found.error != 0 ? found.error : EOPNOTSUPP;
  return true;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" ssize_t qnet_getxattr(const char* path, const char* name, void* value, size_t room) {
  return by_attribute_path(path, LastLink::kFollow,
                           [=](const char* local) { return libc().getxattr(local, name, value, room); });
}
extern "C" ssize_t qnet_lgetxattr(const char* path, const char* name, void* value, size_t room) {
  return by_attribute_path(path, LastLink::kKeep,
                           [=](const char* local) { return libc().lgetxattr(local, name, value, room); });
}
extern "C" ssize_t qnet_fgetxattr(int fd, const char* name, void* value, size_t room) {
  return is_refused(fd) ? -1 : libc().fgetxattr(fd, name, value, room);
}

extern "C" int qnet_setxattr(const char* path, const char* name, const void* value, size_t size, int flags) {
  return by_attribute_path(path, LastLink::kFollow,
                           [=](const char* local) { return libc().setxattr(local, name, value, size, flags); });
}
extern "C" int qnet_lsetxattr(const char* path, const char* name, const void* value, size_t size, int flags) {
  return by_attribute_path(path, LastLink::kKeep,
                           [=](const char* local) { return libc().lsetxattr(local, name, value, size, flags); });
}
extern "C" int qnet_fsetxattr(int fd, const char* name, const void* value, size_t size, int flags) {
  return is_refused(fd) ? -1 : libc().fsetxattr(fd, name, value, size, flags);
}

extern "C" ssize_t qnet_listxattr(const char* path, char* list, size_t room) {
  return by_attribute_path(path, LastLink::kFollow,
                           [=](const char* local) { return libc().listxattr(local, list, room); });
}
extern "C" ssize_t qnet_llistxattr(const char* path, char* list, size_t room) {
  return by_attribute_path(path, LastLink::kKeep,
                           [=](const char* local) { return libc().llistxattr(local, list, room); });
}
extern "C" ssize_t qnet_flistxattr(int fd, char* list, size_t room) {
  return is_refused(fd) ? -1 : libc().flistxattr(fd, list, room);
}

extern "C" int qnet_removexattr(const char* path, const char* name) {
  return by_attribute_path(path, LastLink::kFollow, [=](const char* local) { return libc().removexattr(local, name); });
}
extern "C" int qnet_lremovexattr(const char* path, const char* name) {
  return by_attribute_path(path, LastLink::kKeep, [=](const char* local) { return libc().lremovexattr(local, name); });
}
extern "C" int qnet_fremovexattr(int fd, const char* name) {
  return is_refused(fd) ? -1 : libc().fremovexattr(fd, name);
}
