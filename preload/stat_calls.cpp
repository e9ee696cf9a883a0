// SPDX-License-Identifier: Apache-2.0
//
// stat_calls.cpp: what a file is, and what the caller may do with it.
#include "agent/client/brought.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_file.hpp"

namespace qnet::preload {
namespace {

constexpr blksize_t kCallBytes = 512 << 10;
constexpr off_t kSmallFileBytes = 64 << 10;

/// A path or, where AT_EMPTY_PATH allows it, the descriptor itself: turned into something by_path() understands.
struct Named {
  Named(int dirfd_or_fd, const char* name, int flags) : dirfd(dirfd_or_fd), path(name) {
    const bool is_empty = (flags & AT_EMPTY_PATH) != 0 && (name == nullptr || *name == '\0');
    if (!is_empty) return;
    if (dirfd == AT_FDCWD) path = ".";
    else is_descriptor = is_remote(dirfd);
  }
  int dirfd;
  const char* path;
  bool is_descriptor = false;  ///< a remote one
};

LastLink last_link_of(int flags) {
  return (flags & AT_SYMLINK_NOFOLLOW) != 0 ? LastLink::kKeep : LastLink::kFollow;
}

Result<wire::Attributes> ask_attributes(const Routed& routed, int flags, client::Exchange& exchange) {
  wire::Attributes brought;
  const bool follows = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  if (client::brought::attributes_of_entry(routed.place, routed.place.path, follows, brought)) return brought;
  const wire::GetAttributesRequest request{static_cast<std::uint32_t>(flags & AT_SYMLINK_NOFOLLOW), routed.place.path};
  return ask_path<wire::GetAttributesReply>(routed, wire::Opcode::kGetAttributes, request, exchange);
}

template <class Local>
int stat_anywhere(int dirfd, const char* path, struct stat* status, int flags, Local&& local) {
  return by_path(dirfd, path, last_link_of(flags), local,
                 [&](const Routed& routed, client::Exchange& exchange) -> Result<int> {
                   const auto attributes = ask_attributes(routed, flags, exchange);
                   if (!attributes) return fail(attributes.error());
                   to_stat(routed.place.target, *attributes, *status);
                   return 0;
                 });
}

int stat_descriptor(const RemoteFd& file, struct stat* status) {
  const auto attributes = attributes_of(file);
  if (!attributes) return refuse(attributes.error().code);
  to_stat(file.target(), *attributes, *status);
  // What a call should carry (cp, cat and tar ask here): a trip to the owner costs more than copying this much.
  // A small file needs no large buffer; an empty one may be about to grow.
  const bool is_small = status->st_size > 0 && status->st_size < kSmallFileBytes;
  if (S_ISREG(status->st_mode) && !is_small && status->st_blksize < kCallBytes) status->st_blksize = kCallBytes;
  return 0;
}

template <class Local>
int access_anywhere(int dirfd, const char* path, int mode, int flags, Local&& local) {
  return by_path(
      dirfd, path, last_link_of(flags), local, [&](const Routed& routed, client::Exchange& exchange) -> Result<int> {
        const wire::CheckAccessRequest request{static_cast<std::uint32_t>(mode),
                                               static_cast<std::uint32_t>(flags & ~AT_EMPTY_PATH), routed.place.path};
        const auto done = ask_path<wire::CheckAccessReply>(routed, wire::Opcode::kCheckAccess, request, exchange);
        if (!done) return fail(done.error());
        return 0;
      });
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;
using qnet::wire::Opcode;

extern "C" int qnet_stat(const char* path, struct stat* status) {
  return stat_anywhere(AT_FDCWD, path, status, 0, [=](int, const char* local) { return libc().stat(local, status); });
}

extern "C" int qnet_lstat(const char* path, struct stat* status) {
  return stat_anywhere(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW,
                       [=](int, const char* local) { return libc().lstat(local, status); });
}

extern "C" int qnet_fstat(int fd, struct stat* status) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) return libc().fstat(fd, status);
  return stat_descriptor(file, status);
}

extern "C" int qnet_fstatat(int dirfd, const char* path, struct stat* status, int flags) {
  const Named named(dirfd, path, flags);
  if (named.is_descriptor) return qnet_fstat(dirfd, status);
  return stat_anywhere(named.dirfd, named.path, status, flags,
                       [=](int at, const char* local) { return libc().fstatat(at, local, status, flags); });
}

extern "C" int qnet_statx(int dirfd, const char* path, int flags, unsigned mask, struct statx* status) {
  const Named named(dirfd, path, flags);
  if (named.is_descriptor) {
    RemoteFd file;
    if (!find_remote(dirfd, file)) return refuse(EBADF);
    const auto attributes = attributes_of(file);
    if (!attributes) return refuse(attributes.error().code);
    to_statx(file.target(), *attributes, *status);
    return 0;
  }
  return by_path(
      named.dirfd, named.path, last_link_of(flags),
      [=](int at, const char* local) { return libc().statx(at, local, flags, mask, status); },
      [&](const Routed& routed, qnet::client::Exchange& exchange) -> qnet::Result<int> {
        const auto attributes = ask_attributes(routed, flags, exchange);
        if (!attributes) return qnet::fail(attributes.error());
        to_statx(routed.place.target, *attributes, *status);
        return 0;
      });
}

// Programs built against glibc before 2.33. Each goes to its own real function: other preloaded libraries implement one
// spelling by calling the other.
extern "C" int qnet___xstat(int version, const char* path, struct stat* status) {
  return stat_anywhere(AT_FDCWD, path, status, 0,
                       [=](int, const char* local) { return libc().__xstat(version, local, status); });
}

extern "C" int qnet___lxstat(int version, const char* path, struct stat* status) {
  return stat_anywhere(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW,
                       [=](int, const char* local) { return libc().__lxstat(version, local, status); });
}

extern "C" int qnet___fxstat(int version, int fd, struct stat* status) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) return libc().__fxstat(version, fd, status);
  return stat_descriptor(file, status);
}

extern "C" int qnet___fxstatat(int version, int dirfd, const char* path, struct stat* status, int flags) {
  const Named named(dirfd, path, flags);
  if (named.is_descriptor) return qnet___fxstat(version, dirfd, status);
  return stat_anywhere(named.dirfd, named.path, status, flags,
                       [=](int at, const char* local) { return libc().__fxstatat(version, at, local, status, flags); });
}

extern "C" key_t qnet_ftok(const char* path, int project) {
  return by_path(
      AT_FDCWD, path, LastLink::kFollow, [=](int, const char* local) { return libc().ftok(local, project); },
      [=](const Routed&, qnet::client::Exchange&) -> qnet::Result<key_t> {
        struct stat status;
        if (qnet_stat(path, &status) != 0) return qnet::fail(errno, "ftok");
        // As libc makes it.
        const auto number = static_cast<unsigned>(project) & 0xff;
        return static_cast<key_t>((status.st_ino & 0xffff) | (status.st_dev & 0xff) << 16 | number << 24);
      });
}

extern "C" int qnet_access(const char* path, int mode) {
  return access_anywhere(AT_FDCWD, path, mode, 0, [=](int, const char* local) { return libc().access(local, mode); });
}

extern "C" int qnet_faccessat(int dirfd, const char* path, int mode, int flags) {
  const Named named(dirfd, path, flags);
  if (named.is_descriptor) {
    RemoteFd file;
    if (!find_remote(dirfd, file)) return refuse(EBADF);
    const qnet::wire::CheckAccessRequest request{static_cast<std::uint32_t>(mode),
                                                 static_cast<std::uint32_t>(flags & ~AT_EMPTY_PATH), ""};
    return answer(ask_handle<qnet::wire::CheckAccessReply>(file, Opcode::kCheckAccess, request));
  }
  return access_anywhere(named.dirfd, named.path, mode, flags,
                         [=](int at, const char* local) { return libc().faccessat(at, local, mode, flags); });
}

extern "C" int qnet_eaccess(const char* path, int mode) {
  return access_anywhere(AT_FDCWD, path, mode, AT_EACCESS,
                         [=](int, const char* local) { return libc().eaccess(local, mode); });
}
