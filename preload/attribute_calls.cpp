// SPDX-License-Identifier: Apache-2.0
//
// attribute_calls.cpp: calls that change what a file is: mode, owner, times, length.
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

namespace qnet::preload {
namespace {

using wire::Opcode;

LastLink last_link_of(int flags) {
  return (flags & AT_SYMLINK_NOFOLLOW) != 0 ? LastLink::kKeep : LastLink::kFollow;
}

/// What is asked of the owner; `path` is filled in for paths and empty for descriptors.
template <class Request, class Local>
int change_by_path(int dirfd, const char* path, int flags, Opcode opcode, Request request, Local&& local) {
  return by_path(dirfd, path, last_link_of(flags), local,
                 [&](const Routed& routed, client::Exchange& exchange) -> Result<int> {
                   request.path = routed.place.path;
                   const auto done = ask_path<wire::Empty>(routed, opcode, request, exchange);
                   if (!done) return fail(done.error());
                   return 0;
                 });
}

/// True and `result` set if `fd` is remote.
template <class Request>
bool change_remote(int fd, Opcode opcode, const Request& request, int& result) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) return false;
  result = answer(ask_handle<wire::Empty>(file, opcode, request));
  return true;
}

wire::ChangeModeRequest to_mode(mode_t mode, int flags) {
  return {mode & 07777, static_cast<std::uint32_t>(flags & AT_SYMLINK_NOFOLLOW), {}};
}
wire::ChangeOwnerRequest to_owner(uid_t user, gid_t group, int flags) {
  return {user, group, static_cast<std::uint32_t>(flags & AT_SYMLINK_NOFOLLOW), {}};
}

wire::Timestamp to_timestamp(const timespec& time) {
  return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
}

/// Null: now. False: EINVAL.
bool to_times(const timespec* times, int flags, wire::ChangeTimesRequest& request) {
  request.flags = static_cast<std::uint32_t>(flags & AT_SYMLINK_NOFOLLOW);
  if (times == nullptr) {
    request.accessed.nanoseconds = request.modified.nanoseconds = UTIME_NOW;
    return true;
  }
  for (int i = 0; i < 2; ++i) {
    const long part = times[i].tv_nsec;
    if (part != UTIME_NOW && part != UTIME_OMIT && (part < 0 || part > 999'999'999)) return false;
  }
  request.accessed = to_timestamp(times[0]);
  request.modified = to_timestamp(times[1]);
  return true;
}

bool to_times(const timeval* times, int flags, wire::ChangeTimesRequest& request) {
  if (times == nullptr) return to_times(static_cast<const timespec*>(nullptr), flags, request);
  timespec precise[2];
  for (int i = 0; i < 2; ++i) {
    if (times[i].tv_usec < 0 || times[i].tv_usec > 999'999) return false;
    precise[i] = {times[i].tv_sec, times[i].tv_usec * 1000};
  }
  return to_times(precise, flags, request);
}

/// `Time`: timespec or timeval. Values that cannot be meant are EINVAL remotely; locally libc says so.
template <class Time, class Local>
int change_times(int dirfd, const char* path, const Time* times, int flags, Local&& local) {
  wire::ChangeTimesRequest request;
  const bool is_plausible = to_times(times, flags, request);
  return by_path(dirfd, path, last_link_of(flags), local,
                 [&](const Routed& routed, client::Exchange& exchange) -> Result<int> {
                   if (!is_plausible) return fail(EINVAL, "times");
                   request.path = routed.place.path;
                   const auto done = ask_path<wire::Empty>(routed, Opcode::kChangeTimes, request, exchange);
                   if (!done) return fail(done.error());
                   return 0;
                 });
}

template <class Time>
bool change_times_remote(int fd, const Time* times, int& result) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) return false;
  wire::ChangeTimesRequest request;
  if (!to_times(times, 0, request)) result = refuse(EINVAL);
  else result = answer(ask_handle<wire::Empty>(file, Opcode::kChangeTimes, request));
  return true;
}

bool is_empty_path(const char* path, int flags) {
  return (flags & AT_EMPTY_PATH) != 0 && path != nullptr && *path == '\0';
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;
using qnet::wire::Opcode;

extern "C" int qnet_chmod(const char* path, mode_t mode) {
  return change_by_path(AT_FDCWD, path, 0, Opcode::kChangeMode, to_mode(mode, 0),
                        [=](int, const char* local) { return libc().chmod(local, mode); });
}
extern "C" int qnet_fchmodat(int dirfd, const char* path, mode_t mode, int flags) {
  return change_by_path(dirfd, path, flags, Opcode::kChangeMode, to_mode(mode, flags),
                        [=](int at, const char* local) { return libc().fchmodat(at, local, mode, flags); });
}
extern "C" int qnet_lchmod(const char* path, mode_t mode) {
  return qnet_fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW);
}
extern "C" int qnet_fchmod(int fd, mode_t mode) {
  int result = 0;
  return change_remote(fd, Opcode::kChangeMode, to_mode(mode, 0), result) ? result : libc().fchmod(fd, mode);
}

extern "C" int qnet_chown(const char* path, uid_t user, gid_t group) {
  return change_by_path(AT_FDCWD, path, 0, Opcode::kChangeOwner, to_owner(user, group, 0),
                        [=](int, const char* local) { return libc().chown(local, user, group); });
}
extern "C" int qnet_lchown(const char* path, uid_t user, gid_t group) {
  return change_by_path(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, Opcode::kChangeOwner,
                        to_owner(user, group, AT_SYMLINK_NOFOLLOW),
                        [=](int, const char* local) { return libc().lchown(local, user, group); });
}
extern "C" int qnet_fchown(int fd, uid_t user, gid_t group) {
  int result = 0;
  if (change_remote(fd, Opcode::kChangeOwner, to_owner(user, group, 0), result)) return result;
  return libc().fchown(fd, user, group);
}
extern "C" int qnet_fchownat(int dirfd, const char* path, uid_t user, gid_t group, int flags) {
  if (is_empty_path(path, flags)) {
    if (dirfd == AT_FDCWD) path = ".";
    else if (is_remote(dirfd)) return qnet_fchown(dirfd, user, group);
  }
  return change_by_path(dirfd, path, flags, Opcode::kChangeOwner, to_owner(user, group, flags),
                        [=](int at, const char* local) { return libc().fchownat(at, local, user, group, flags); });
}

extern "C" int qnet_truncate(const char* path, off_t length) {
  return change_by_path(AT_FDCWD, path, 0, Opcode::kTruncate, qnet::wire::TruncateRequest{length, {}},
                        [=](int, const char* local) { return libc().truncate(local, length); });
}
extern "C" int qnet_ftruncate(int fd, off_t length) {
  int result = 0;
  if (change_remote(fd, Opcode::kTruncate, qnet::wire::TruncateRequest{length, {}}, result)) return result;
  return libc().ftruncate(fd, length);
}

extern "C" int qnet_utimensat(int dirfd, const char* path, const struct timespec* times, int flags) {
  // Linux: a null path, or an empty one with AT_EMPTY_PATH, is the descriptor.
  if (path == nullptr || is_empty_path(path, flags)) {
    int result = 0;
    if (dirfd != AT_FDCWD && change_times_remote(dirfd, times, result)) return result;
    if (dirfd == AT_FDCWD && path != nullptr) path = ".";
  }
  return change_times(dirfd, path, times, flags,
                      [=](int at, const char* local) { return libc().utimensat(at, local, times, flags); });
}
extern "C" int qnet_futimens(int fd, const struct timespec* times) {
  int result = 0;
  return change_times_remote(fd, times, result) ? result : libc().futimens(fd, times);
}
extern "C" int qnet_utime(const char* path, const struct utimbuf* times) {
  timeval both[2]{};
  if (times != nullptr) {
    both[0].tv_sec = times->actime;
    both[1].tv_sec = times->modtime;
  }
  return change_times(AT_FDCWD, path, times == nullptr ? nullptr : both, 0,
                      [=](int, const char* local) { return libc().utime(local, times); });
}
extern "C" int qnet_utimes(const char* path, const struct timeval* times) {
  return change_times(AT_FDCWD, path, times, 0, [=](int, const char* local) { return libc().utimes(local, times); });
}
extern "C" int qnet_lutimes(const char* path, const struct timeval* times) {
  return change_times(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW,
                      [=](int, const char* local) { return libc().lutimes(local, times); });
}
extern "C" int qnet_futimes(int fd, const struct timeval* times) {
  int result = 0;
  return change_times_remote(fd, times, result) ? result : libc().futimes(fd, times);
}
extern "C" int qnet_futimesat(int dirfd, const char* path, const struct timeval* times) {
  int result = 0;
  if (path == nullptr && change_times_remote(dirfd, times, result)) return result;
  return change_times(dirfd, path, times, 0,
                      [=](int at, const char* local) { return libc().futimesat(at, local, times); });
}
