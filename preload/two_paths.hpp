// SPDX-License-Identifier: Apache-2.0
//
// two_paths.hpp: where do calls with two paths go? (rename, link)
//
// Both on one node, whatever their policies: there. Both local: to the kernel. A node's own name below the prefix:
// EROFS. Anything else is EXDEV, on which programs copy instead.
#pragma once

#include "preload/remote_file.hpp"
#include "preload/route.hpp"

namespace qnet::preload {

struct PathArgument {
  int dirfd = -1;
  const char* path = nullptr;
  LastLink last = LastLink::kKeep;
};

/// "/net/b" itself: an entry of the list of nodes, where nothing can be made, renamed or removed.
inline bool is_entry_of_prefix(const Routed& routed) {
  return routed.is_remote && routed.place.handle.is_none() &&
         routed.place.path.find_first_not_of('/') == std::string_view::npos;
}

/// The rare part of by_two_paths(). `first_error`: what the local call has already said, or 0.
template <class Local, class Remote>
__attribute__((noinline)) int by_two_routed_paths(const PathArgument& source, const PathArgument& target,
                                                  int first_error, Local& local, Remote& remote) {
  struct Work {
    Routed from, to;
    client::Exchange exchange;
  };
  const Scratch<Work> work;
  if (!work) {
    errno = ENOMEM;
    return -1;
  }
  Routed& from = work->from;
  Routed& to = work->to;
  route(source.dirfd, source.path, from, source.last);
  route(target.dirfd, target.path, to, target.last);
  const auto walk = [](const PathArgument& argument, Routed& routed) {
    return !routed.is_remote && routed.error == 0 && routed.path != nullptr &&
           walk_to_prefix(routed.dirfd, routed.path, argument.last, routed);
  };
  int error = first_error;
  for (int hops = 0; hops <= kHopsMax;) {
    if (from.error != 0 || to.error != 0) {
      errno = from.error != 0 ? from.error : to.error;
      return -1;
    }
    if (!from.is_remote && !to.is_remote) {
      if (error == 0) {
        const int value = local(from.dirfd, from.path, to.dirfd, to.path);
        if (value != -1) return value;
        error = errno;
      }
      const bool source_moved = may_be_symlink(error) && walk(source, from);
      const bool target_moved = may_be_symlink(error) && walk(target, to);
      if (!source_moved && !target_moved) {
        errno = error;
        return -1;
      }
      error = 0;
      ++hops;
      continue;
    }
    // One side is remote: the other one may still lead there.
    if (walk(source, from) || walk(target, to)) {
      ++hops;
      continue;
    }
    if (is_entry_of_prefix(from) || is_entry_of_prefix(to)) {
      errno = EROFS;
      return -1;
    }
    if (from.is_remote != to.is_remote || !is_same_node(from.place.target, to.place.target)) {
      errno = EXDEV;
      return -1;
    }
    client::Exchange& exchange = work->exchange;
    client::CallOptions options;
    options.prove_fd = from.prove_fd;
    options.second_handle = to.place.handle;
    options.second_prove_fd = to.prove_fd;
    const Status result = remote(from, to, exchange, options);
    if (is_logged(LogLevel::kDebug)) log_remote(to.place, result ? 0 : result.error().code);
    if (is_handle_gone(result, exchange)) {
      const bool is_source_new = reroute_by_name(from), is_target_new = reroute_by_name(to);
      if (is_source_new || is_target_new) continue;
    }
    if (result || result.error().code != client::kRedirected) return finish_remote<int>(result);
    follow_redirect(exchange.redirect, hops, exchange.redirect.which == 0 ? from : to);
  }
  errno = ELOOP;
  return -1;
}

/// Local: int(int, const char*, int, const char*). Remote: Status(const Routed&, const Routed&, Exchange&,
/// CallOptions&).
template <class Local, class Remote>
int by_two_paths(const PathArgument& source, const PathArgument& target, Local&& local, Remote&& remote) {
  int error = 0;
  if (is_plainly_local(source.dirfd, source.path) && is_plainly_local(target.dirfd, target.path)) {
    const int value = local(source.dirfd, source.path, target.dirfd, target.path);
    if (value != -1) return value;
    error = errno;
    if (!deserves_second_look(source.dirfd, source.path, error) &&
        !deserves_second_look(target.dirfd, target.path, error)) {
      return -1;
    }
  }
  return by_two_routed_paths(source, target, error, local, remote);
}

}  // namespace qnet::preload
