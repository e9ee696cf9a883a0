// SPDX-License-Identifier: Apache-2.0
//
// message_calls.cpp: which calls hand over descriptors or names that only the kernel can use?
//
// recvmsg() may bring remote descriptors of another process: their numbers are looked at anew. Sending them is the
// kernel's business. Watching, file handles and chroot() need an object of this kernel and are refused on a node.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client/brought.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/standard_streams.hpp"

namespace qnet::preload {
namespace {

void note_received(const struct msghdr& message) {
  for (struct cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(const_cast<struct msghdr*>(&message), part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const int* const fds = reinterpret_cast<const int*>(CMSG_DATA(part));
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      note_unknown(fds[i]);
      standard_stream_changed(fds[i]);
    }
  }
}

/// The answer for a remote object that exists.
Status refuse_existing(const Routed& routed, client::Exchange& exchange, LastLink last, int error) {
  const wire::GetAttributesRequest request{.flags = last == LastLink::kKeep ? std::uint32_t{AT_SYMLINK_NOFOLLOW} : 0,
                                           .path = routed.place.path};
  const auto exists = ask_path<wire::GetAttributesReply>(routed, wire::Opcode::kGetAttributes, request, exchange);
  if (!exists) return fail(exists.error());
  return fail(error, "only for local objects");
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" ssize_t qnet_recvmsg(int fd, struct msghdr* message, int flags) {
  qnet::client::brought::received();
  const ssize_t count = libc().recvmsg(fd, message, flags);
  if (count >= 0 && message->msg_controllen > 0) note_received(*message);
  return count;
}

extern "C" int qnet_recvmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags, struct timespec* timeout) {
  qnet::client::brought::received();
  const int received = libc().recvmmsg(fd, messages, count, flags, timeout);
  for (int i = 0; i < received; ++i) {
    if (messages[i].msg_hdr.msg_controllen > 0) note_received(messages[i].msg_hdr);
  }
  return received;
}

extern "C" ssize_t qnet_sendmsg(int fd, const struct msghdr* message, int flags) {
  if (message != nullptr && message->msg_controllen > 0) qnet::client::brought::settle();  // It may carry a descriptor.
  return libc().sendmsg(fd, message, flags);
}

extern "C" int qnet_sendmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags) {
  qnet::client::brought::settle();
  return libc().sendmmsg(fd, messages, count, flags);
}

extern "C" int qnet_inotify_add_watch(int fd, const char* path, uint32_t events) {
  const LastLink last = (events & IN_DONT_FOLLOW) != 0 ? LastLink::kKeep : LastLink::kFollow;
  return by_path(
      AT_FDCWD, path, last,
      [=](int, const char* local_path) { return libc().inotify_add_watch(fd, local_path, events); },
      [=](const Routed& routed, qnet::client::Exchange& exchange) {
        return refuse_existing(routed, exchange, last, EOPNOTSUPP);
      });
}

extern "C" int qnet_name_to_handle_at(int dirfd, const char* path, struct file_handle* handle, int* mount, int flags) {
  if ((flags & AT_EMPTY_PATH) != 0 && path != nullptr && *path == '\0' && is_remote(dirfd)) return refuse(EOPNOTSUPP);
  const LastLink last = (flags & AT_SYMLINK_FOLLOW) != 0 ? LastLink::kFollow : LastLink::kKeep;
  return by_path(
      dirfd, path, last,
      [=](int local_dirfd, const char* local_path) {
        return libc().name_to_handle_at(local_dirfd, local_path, handle, mount, flags);
      },
      [=](const Routed& routed, qnet::client::Exchange& exchange) {
        return refuse_existing(routed, exchange, last, EOPNOTSUPP);
      });
}

extern "C" int qnet_open_by_handle_at(int mount, struct file_handle* handle, int flags) {
  return is_remote(mount) ? refuse(EOPNOTSUPP) : libc().open_by_handle_at(mount, handle, flags);
}

extern "C" int qnet_chroot(const char* path) {
  return by_path(
      AT_FDCWD, path, LastLink::kFollow, [](int, const char* local_path) { return libc().chroot(local_path); },
      [](const Routed& routed, qnet::client::Exchange& exchange) {
        return refuse_existing(routed, exchange, LastLink::kFollow, EPERM);
      });
}
