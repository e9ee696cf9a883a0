// SPDX-License-Identifier: Apache-2.0
//
// open_calls.cpp: open(2) and its spellings.
//
// The descriptor of something remote arrives from the agent with the reply and has the lowest free number, as the
// kernel installs it.
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "agent/client/brought.hpp"
#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/open_remote.hpp"
#include "preload/route.hpp"
#include "preload/standard_streams.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {
namespace {

LastLink last_link_of(int flags) {
  const bool is_exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
  return (flags & O_NOFOLLOW) != 0 || is_exclusive ? LastLink::kKeep : LastLink::kFollow;
}

/// Everybody's open(): what is new at 0, 1 or 2 concerns stdio.
int note_opened(int fd) {
  if (fd < 0 || fd > 2) return fd;
  const KeepErrno keep;
  standard_stream_changed(fd);
  return fd;
}

template <class Local>
int open_anywhere(int dirfd, const char* path, int flags, mode_t mode, Local&& local_open) {
  if (!is_plainly_local(dirfd, path)) ::pthread_testcancel();
  return note_opened(by_path(
      dirfd, path, last_link_of(flags),
      [&](int local_dirfd, const char* local_path) {
        const int fd = local_open(local_dirfd, local_path);
        if (fd >= 0) note_local(fd);
        return fd;
      },
      [&](const Routed& routed, client::Exchange& exchange) { return open_remote(routed, exchange, flags, mode); }));
}

/// Does the process have a number left? Asked before the owner creates or empties something, as the kernel does.
bool has_free_descriptor() {
  const long fd = raw_syscall(SYS_eventfd2, 0, EFD_CLOEXEC);
  if (fd >= 0) raw_syscall(SYS_close, fd);
  return fd != -EMFILE;
}

}  // namespace

Result<int> open_remote(const Routed& routed, client::Exchange& exchange, int flags, mode_t mode) {
  const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  if ((creates || (flags & O_TRUNC) != 0) && !has_free_descriptor()) return fail(EMFILE, "open");
  wire::OpenRequest request;
  request.flags = static_cast<std::uint32_t>(flags);
  request.mode = creates ? wire::new_mode(mode & 07777, current_umask()) : 0;
  const bool may_be_read = (flags & O_ACCMODE) == O_RDONLY && (flags & (O_PATH | O_DIRECTORY | O_DIRECT)) == 0;
  request.contents_bytes_max = may_be_read ? wire::kContentsBytesMax : 0;
  request.path = routed.place.path;
  client::CallOptions options;
  options.prove_fd = routed.prove_fd;
  options.close_on_exec = (flags & O_CLOEXEC) != 0;
  const auto reply = client::call<wire::OpenReply>(wire::Opcode::kOpen, routed.place, request, exchange, options);
  if (!reply) return fail(reply.error());
  if (exchange.received_fd < 0) return fail(EIO, "open: no descriptor");
  note_remote(exchange.received_fd);
  const HandleId handle{reply->handle};
  const bool is_file = reply->kind == static_cast<std::uint8_t>(wire::HandleKind::kFile);
  const bool is_directory = reply->kind == static_cast<std::uint8_t>(wire::HandleKind::kDirectory);
  if (is_directory) client::brought::name_directory(routed.place, handle);
  if (is_file || is_directory) {
    client::brought::keep(routed.place, handle, exchange.received_fd, reply->attributes, reply->contents.bytes);
  }
  return exchange.received_fd;
}

int open_by_how(int dirfd, const char* path, const open_how* how, std::size_t size) {
  constexpr long kOpenat2 = 437;
  const auto local = [&](int at, const char* local_path) {
    return static_cast<int>(libc().syscall(kOpenat2, at, reinterpret_cast<long>(local_path),
                                           reinterpret_cast<long>(how), static_cast<long>(size), 0, 0));
  };
  if (how == nullptr || size < sizeof *how) return local(dirfd, path);
  const bool is_restricted = (how->resolve & ~RESOLVE_NO_MAGICLINKS) != 0;
  // What the kernel refuses to follow is not followed here either.
  if (is_restricted && is_plainly_local(dirfd, path)) return note_opened(local(dirfd, path));
  const int flags = static_cast<int>(how->flags);
  const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return note_opened(by_path(dirfd, path, last_link_of(flags), local,
                             [&](const Routed& routed, client::Exchange& exchange) -> Result<int> {
                               if (size > sizeof *how) return fail(E2BIG, "openat2");
                               if (is_restricted) return fail(ENOSYS, "openat2");
                               const bool is_wrong = how->flags >> 32 != 0 || (how->mode != 0 && !creates);
                               if (is_wrong || (how->mode & ~07777ULL) != 0) return fail(EINVAL, "openat2");
                               return open_remote(routed, exchange, flags, static_cast<mode_t>(how->mode));
                             }));
}

}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_open(const char* path, int flags, mode_t mode) {
  return open_anywhere(AT_FDCWD, path, flags, mode,
                       [=](int, const char* local) { return libc().open(local, flags, mode); });
}

extern "C" int qnet_openat(int dirfd, const char* path, int flags, mode_t mode) {
  return open_anywhere(dirfd, path, flags, mode,
                       [=](int at, const char* local) { return libc().openat(at, local, flags, mode); });
}

extern "C" int qnet___open_2(const char* path, int flags) {
  return qnet_open(path, flags, 0);
}
extern "C" int qnet___openat_2(int dirfd, const char* path, int flags) {
  return qnet_openat(dirfd, path, flags, 0);
}
extern "C" int qnet_creat(const char* path, mode_t mode) {
  return qnet_open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
