// SPDX-License-Identifier: Apache-2.0
//
// route.hpp: is this path remote? (working directory, directory descriptors, symlinks, QNET_MAP, redirects)
//
// The one mechanism behind every call that takes a path (design D5). A caller says what to do locally and what to do
// remotely; by_path() decides, and starts again when a symlink or ".." leads from one side to the other:
//
//   return by_path(dirfd, path, LastLink::kFollow,
//                  [&](int local_dirfd, const char* local_path) { return libc().openat(local_dirfd, local_path, flags, mode); },
//                  [&](const client::Place& place, client::Exchange& exchange) -> Result<int> { ... });
//
// Order: QNET_MAP and the prefix are text; anything else goes to the kernel first, and only a failure that a symlink into
// the prefix could explain (ENOENT, ENOTDIR, ELOOP, EXDEV, ENXIO, EACCES) is looked at again. Never collapses "..".
// The local function returns -1 and sets errno like the system call; so does by_path().
#pragma once

#include "agent/client/client.hpp"

namespace qnet::preload {

enum class LastLink { kFollow, kKeep };  ///< does the call act on a final symlink or on what it points to?

/// A path that has been looked at. `text` holds the absolute virtual path ("/net/b/etc/x") unless relative to a handle.
struct Routed {
  bool is_remote = false;
  client::Place place;      ///< remote: points into `text` or into the caller's path
  int dirfd = -1;           ///< local: what to hand to the kernel
  const char* path = "";    ///< local
  int error = 0;            ///< the path cannot be used at all: EFAULT, ENAMETOOLONG, EBADF, ENOTDIR …
  char text[4096 + 128];
  char target[80];          ///< copy of the handle's target when relative to a remote descriptor
};

/// First look, without the kernel: prefix, QNET_MAP, virtual working directory, remote `dirfd`, /proc/self/fd/N,
/// /dev/fd/N and /dev/std* of a remote descriptor.
void route(int dirfd, const char* path, Routed& routed);

/// Second look after the local call failed with `error`: does a symlink on the way lead into the prefix? Fills `routed`
/// as remote and returns true, else returns false and `routed` is unchanged.
bool reroute_by_symlink(int dirfd, const char* path, LastLink last, int error, Routed& routed);

/// After kRedirected: `routed` becomes the place to go on. False after too many (ELOOP is set in routed.error).
bool follow_redirect(const wire::RedirectReply& redirect, int& hops, Routed& routed);

/// See the head of this file. Local: int-like(int dirfd, const char* path). Remote: Result<T>(Place, Exchange&).
template <class Local, class Remote>
auto by_path(int dirfd, const char* path, LastLink last, Local&& local, Remote&& remote)
    -> decltype(local(dirfd, path)) {
  using Value = decltype(local(dirfd, path));
  Routed routed;
  route(dirfd, path, routed);
  for (int hops = 0;;) {
    if (routed.error != 0) {
      errno = routed.error;
      return static_cast<Value>(-1);
    }
    if (!routed.is_remote) {
      const Value value = local(routed.dirfd, routed.path);
      if (value != static_cast<Value>(-1)) return value;
      const int error = errno;
      if (reroute_by_symlink(routed.dirfd, routed.path, last, error, routed)) continue;
      errno = error;
      return value;
    }
    client::Exchange exchange;
    const auto result = remote(routed.place, exchange);
    if (result) {
      if constexpr (std::is_void_v<typename std::remove_cvref_t<decltype(result)>::value_type>) return Value{};
      else return static_cast<Value>(*result);
    }
    if (result.error().code != client::kRedirected) {
      errno = result.error().code;
      return static_cast<Value>(-1);
    }
    if (!follow_redirect(exchange.redirect, hops, routed)) continue;
  }
}

/// The virtual working directory ("/net/b/etc", as getcwd must tell it, QNET_MAP turned back), or nothing if it is
/// local. `text` needs 4096 bytes.
std::string_view virtual_working_directory(char* text);
/// chdir, fchdir: the kernel's working directory has changed.
void forget_working_directory();
/// The name that the application should see for a virtual path: QNET_MAP turned back.
std::string_view visible_path(std::string_view path, char* text);

}  // namespace qnet::preload
