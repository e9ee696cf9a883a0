// SPDX-License-Identifier: Apache-2.0
//
// remote_call.hpp: how does a wrapper ask the owner, and answer as libc would?
//
// Threads:  any; signal-safe.
#pragma once

#include <fcntl.h>

#include "agent/client/client.hpp"
#include "preload/fd_table.hpp"
#include "preload/route.hpp"

namespace qnet::preload {

inline bool is_remote(int fd) {
  if (!may_be_remote(fd)) return false;
  RemoteFd found;
  return find_remote(fd, found);
}

/// True if `path` is on a node, perhaps by a symlink; looks without touching the file. Keeps errno.
bool leads_away(const char* path);

/// Asks about the open thing itself. `Reply` holds no views.
template <class Reply, class Request>
Result<Reply> ask_handle(const RemoteFd& found, wire::Opcode opcode, const Request& request) {
  if (found.error != 0) return fail(found.error, "handle");
  client::SmallExchange exchange;
  client::CallOptions options;
  options.prove_fd = found.fd;
  return client::call<Reply>(opcode, client::Place{found.target(), found.handle, {}}, request, exchange, options);
}

/// Asks about a path, inside by_path().
template <class Reply, class Request>
Result<Reply> ask_path(const Routed& routed, wire::Opcode opcode, const Request& request, client::Exchange& exchange) {
  client::CallOptions options;
  options.prove_fd = routed.prove_fd;
  return client::call<Reply>(opcode, routed.place, request, exchange, options);
}

inline int refuse(int error) {
  errno = error;
  return -1;
}
/// 0, or -1 and errno.
template <class Value>
int answer(const Result<Value>& result) {
  return result ? 0 : refuse(result.error().code);
}
/// 0 or the error number, as posix_fallocate() and its like return it.
template <class Value>
int answer_number(const Result<Value>& result) {
  return result ? 0 : result.error().code;
}

/// The rare part of open_by_path(). `first_error`: what the local call has already said, or 0.
template <class Pointer, class Local, class Remote>
__attribute__((noinline)) Pointer open_by_routed_path(const char* path, int first_error, Local& local, Remote& remote) {
  Routed routed;
  routed.path = path;
  if (first_error == 0) {
    route(AT_FDCWD, path, routed);
    if (routed.error != 0) {
      errno = routed.error;
      return nullptr;
    }
    if (routed.is_remote) return remote(path);
    if (const Pointer opened = local(routed.path)) return opened;
    first_error = errno;
  }
  if (may_be_symlink(first_error) &&
      reroute_by_symlink(AT_FDCWD, routed.path, LastLink::kFollow, first_error, routed)) {
    return remote(path);
  }
  errno = first_error;
  return nullptr;
}

/// by_path() for libc functions that open something and return an object. Local: Pointer(const char* path). Remote: the
/// same, on top of our own open(), which finds the way by itself.
template <class Local, class Remote>
auto open_by_path(const char* path, Local&& local, Remote&& remote) -> decltype(local(path)) {
  const int errno_before = errno;
  int error = 0;
  if (is_plainly_local(AT_FDCWD, path)) [[likely]] {
    const auto opened = local(path);
    if (opened != nullptr || path == nullptr || !may_be_symlink(errno)) return opened;
    error = errno;
  }
  const auto opened = open_by_routed_path<decltype(local(path))>(path, error, local, remote);
  if (opened != nullptr) errno = errno_before;
  return opened;
}

}  // namespace qnet::preload
