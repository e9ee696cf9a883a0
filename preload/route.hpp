// SPDX-License-Identifier: Apache-2.0
//
// route.hpp: is this path remote? (working directory, directory descriptors, symlinks, QNET_MAP, redirects)
//
// The one mechanism behind every call that takes a path (design D5). A caller says what to do locally and what to do
// remotely; by_path() decides, and starts again when a symlink or ".." leads from one side to the other:
//
//   return by_path(dirfd, path, LastLink::kFollow,
//                  [&](int local_dirfd, const char* local_path) { return libc().openat(local_dirfd, local_path, flags,
//                  mode); },
//                  [&](const Routed& routed, client::Exchange& exchange) -> Result<int> { ... });
//
// Order: QNET_MAP and the prefix are text; anything else goes to the kernel first, and only a failure that a symlink
// into the prefix could explain (ENOENT, ENOTDIR, ELOOP, EXDEV, ENXIO, EACCES) is looked at again. Never collapses
// "..". The local function returns -1 and sets errno like the system call; so does by_path(). A local call costs its
// caller two comparisons and little stack: the rest is in functions that are not inlined and works in scratch memory.
// Threads:  any; signal-safe. Not here: what text under the prefix means (transport/base/net_path.hpp); the walk along
// symlinks (link_walk.hpp).
#pragma once

#include <fcntl.h>

#include <cerrno>

#include "agent/client/client.hpp"
#include "preload/fd_table.hpp"
#include "preload/log.hpp"
#include "preload/scratch.hpp"
#include "preload/state.hpp"

namespace qnet::preload {

/// Changes from one side to the other in one call, as the kernel's limit for symlinks; more are ELOOP.
inline constexpr int kHopsMax = 40;

enum class LastLink { kFollow, kKeep };  ///< does the call act on a final symlink or on what it points to?

/// A path that has been looked at. `text` holds the absolute virtual path ("/net/b/etc/x") unless relative to a handle.
struct Routed {
  static constexpr std::size_t kTextBytes = 4096 + 256;

  bool is_remote = false;
  client::Place place;                     ///< remote: points into `text` or into the caller's path
  int prove_fd = -1;                       ///< remote and relative to a handle: CallOptions::prove_fd
  bool is_from_working_directory = false;  ///< remote and relative to the handle of the working directory
  int dirfd = -1;                          ///< local: what to hand to the kernel
  const char* path = "";                   ///< local
  int error = 0;                           ///< the path cannot be used at all: ENAMETOOLONG, ENOENT, ESTALE …
  char text[kTextBytes];
  char target[kTargetBytesMax + 2];  ///< copy of the handle's target when relative to a remote descriptor
};

/// First look, without the kernel: prefix, QNET_MAP, virtual working directory, remote `dirfd`, /proc/self/fd/N,
/// /dev/fd/N and /dev/std* of a remote descriptor (with kKeep these name the link in /proc itself: local).
/// An empty path is ENOENT where it would be remote; calls that know AT_EMPTY_PATH deal with it before.
void route(int dirfd, const char* path, Routed& routed, LastLink last = LastLink::kFollow);

/// After the local call failed with `error`: could a symlink into the prefix explain it? A genuine miss costs one
/// system call and little stack. Keeps errno.
bool deserves_second_look(int dirfd, const char* path, int error);
/// The second look: does a symlink on the way lead into the prefix? Fills `routed` as remote and returns true, else
/// returns false and `routed` is unchanged.
bool walk_to_prefix(int dirfd, const char* path, LastLink last, Routed& routed);
/// Both in one.
inline bool reroute_by_symlink(int dirfd, const char* path, LastLink last, int error, Routed& routed) {
  return deserves_second_look(dirfd, path, error) && walk_to_prefix(dirfd, path, last, routed);
}
/// The failures that deserves_second_look() looks at.
inline bool may_be_symlink(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV || error == ENXIO || error == EACCES;
}

/// An agent was restarted, and the working directory has only its name left. If `routed` began there, it becomes the
/// absolute path. False: it did not.
bool reroute_by_name(Routed& routed);
/// Did the call fail because of that? ESTALE of another kind is the answer: the call may have been executed.
template <class T>
bool is_handle_gone(const Result<T>& result, const client::Exchange& exchange) {
  return !result && result.error().code == ESTALE && exchange.is_handle_gone;
}

/// After kRedirected: `routed` becomes the place to go on. After too many routed.error is ELOOP.
void follow_redirect(const wire::RedirectReply& redirect, int& hops, Routed& routed);

/// The virtual working directory ("/net/b/etc", as getcwd must tell it, QNET_MAP turned back), or nothing if it is
/// local. `text` needs 4096 bytes.
std::string_view virtual_working_directory(char* text);
/// The same as the agent knows it, below the prefix, and the owner's directory; none for the list of nodes.
std::string_view real_working_directory(char* text, HandleId& handle);
/// chdir, fchdir: the kernel's working directory has changed.
void forget_working_directory();
/// The name that the application should see for a virtual path: QNET_MAP turned back. `text` needs 4096 bytes; a path
/// that would be longer stays as it is.
std::string_view visible_path(std::string_view path, char* text);
/// "/net" + "/b" + path on the node, and visible_path() of that. Nothing if it is too long.
std::string_view visible_path_on(std::string_view target, std::string_view path_on_node, char* text);

/// Writes a line about a remote call into the log if it is wanted.
void log_remote(const client::Place& place, int error);

/// True if the kernel's answer for this path is final unless it is a failure. Half of the answer without a call.
bool is_local_text(const char* path);
inline bool is_plainly_local(int dirfd, const char* path) {
  if (!is_started() || path == nullptr) return true;
  if (path[0] == '/') {
    return !state().first_letters[static_cast<unsigned char>(path[1])] || is_local_text(path);
  }
  if (dirfd != AT_FDCWD) return !may_be_remote(dirfd);
  return state().working_directory.load(std::memory_order_relaxed) == WorkingDirectory::kLocal;
}

/// What by_path() returns and where errno goes.
template <class Value, class T>
Value finish_remote(const Result<T>& result) {
  if (!result) {
    errno = result.error().code;
    return static_cast<Value>(-1);
  }
  if constexpr (std::is_void_v<T>) return Value{};
  else return static_cast<Value>(*result);
}

/// The rare part of by_path(). `first_error`: what the local call has already said, or 0.
template <class Value, class Local, class Remote>
__attribute__((noinline)) Value by_routed_path(int dirfd, const char* path, LastLink last, int first_error,
                                               Local& local, Remote& remote) {
  struct Work {
    Routed routed;
    client::Exchange exchange;
  };
  const Scratch<Work> work;
  if (!work) {
    errno = ENOMEM;
    return static_cast<Value>(-1);
  }
  Routed& routed = work->routed;
  if (first_error == 0) {
    route(dirfd, path, routed, last);
  } else if (!walk_to_prefix(dirfd, path, last, routed)) {
    errno = first_error;
    return static_cast<Value>(-1);
  }
  for (int hops = 0;;) {
    if (routed.error != 0) {
      errno = routed.error;
      return static_cast<Value>(-1);
    }
    if (!routed.is_remote) {
      const Value value = local(routed.dirfd, routed.path);
      if (value != static_cast<Value>(-1)) return value;
      const int error = errno;
      if (++hops <= kHopsMax && reroute_by_symlink(routed.dirfd, routed.path, last, error, routed)) continue;
      errno = error;
      return value;
    }
    const auto result = remote(static_cast<const Routed&>(routed), work->exchange);
    if (is_logged(LogLevel::kDebug)) log_remote(routed.place, result ? 0 : result.error().code);
    if (is_handle_gone(result, work->exchange) && reroute_by_name(routed)) continue;
    if (result || result.error().code != client::kRedirected) return finish_remote<Value>(result);
    follow_redirect(work->exchange.redirect, hops, routed);
  }
}

/// See the head of this file. Local: int-like(int dirfd, const char* path). Remote: Result<T>(const Routed&,
/// Exchange&).
template <class Local, class Remote>
auto by_path(int dirfd, const char* path, LastLink last, Local&& local, Remote&& remote)
    -> decltype(local(dirfd, path)) {
  using Value = decltype(local(dirfd, path));
  int error = 0;
  if (is_plainly_local(dirfd, path)) [[likely]] {
    const Value value = local(dirfd, path);
    if (value != static_cast<Value>(-1)) return value;
    error = errno;
    if (!deserves_second_look(dirfd, path, error)) return value;
  }
  return by_routed_path<Value>(dirfd, path, last, error, local, remote);
}

}  // namespace qnet::preload
