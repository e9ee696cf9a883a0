// SPDX-License-Identifier: Apache-2.0
//
// client.hpp: how does a process ask for one remote operation?
//
// One request out, one reply in, over a connection to the local agent. Connections are kept in a small pool: a call takes
// a free one or opens another (connect(2), 13 µs), so any number of threads, a signal handler that interrupts a call, and
// a forked child each have their own. No allocation, no lock, no libc call that libqnet.so interposes (raw system calls
// only): safe in signal handlers and between fork and exec.
//
// Errors are errno as in design D8: ENONET no agent; EHOSTDOWN, ESTALE … as the agent answers.
// Signals: a handler without SA_RESTART that runs while a request waits cancels the request at the owner (EINTR);
// with SA_RESTART the wait goes on.
// Threads:  any.
// Not here: which paths are remote (preload/route.hpp).
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "transport/base/result.hpp"
#include "transport/wire/agent_ops.hpp"
#include "transport/wire/attr_ops.hpp"
#include "transport/wire/dir_ops.hpp"
#include "transport/wire/errno_wire.hpp"
#include "transport/wire/handle_name.hpp"

namespace qnet::client {

/// The object of a request: a path on a node, something open, or a path relative to something open.
struct Place {
  std::string_view target;  ///< "b~preferred:en0"; empty: the list of nodes
  HandleId handle;
  std::string_view path;
};

/// Where to go on after kErrorRedirect. Not an errno; route.hpp deals with it and nobody else sees it.
inline constexpr int kRedirected = -1;

/// Room for one request and one reply without data; lives on the caller's stack. Views in a decoded reply point into it.
struct Exchange {
  static constexpr std::size_t kRequestBytes = 2 * 4096 + 256;
  static constexpr std::size_t kReplyBytes = 4096 + 512;

  std::array<std::byte, kRequestBytes> request;
  std::array<std::byte, kReplyBytes> reply;
  int received_fd = -1;             ///< descriptor that came with the reply; the caller owns it
  wire::RedirectReply redirect;     ///< valid when a call failed with kRedirected
};

/// What a call does besides its message.
struct CallOptions {
  HandleId second_handle;           ///< Rename, Link
  std::span<const iovec> data_out;  ///< appended to the request: the Tail of Write, gathered
  std::span<const iovec> data_in;   ///< where the Tail of the reply goes, scattered
  std::size_t received_bytes = 0;   ///< out: how many bytes went to data_in
  int send_fd = -1;                 ///< AdoptHandle
  int prove_fd = -1;                ///< the descriptor that shows that we hold place.handle, sent if the agent asks
  bool close_on_exec = true;        ///< for the received descriptor
};

/// Sends `body`, already encoded into exchange.request or elsewhere, and waits. Returns the reply's body.
/// The general form; call<Request>() below is what everybody uses.
Result<ByteView> call_raw(wire::Opcode opcode, const Place& place, ByteView body, Exchange& exchange,
                          CallOptions& options);

/// Encodes, calls, decodes. With data_in the reply's fixed fields must be empty (Read, ReadDirectory): use call_raw().
template <class Reply, class Request>
Result<Reply> call(wire::Opcode opcode, const Place& place, const Request& request, Exchange& exchange,
                   CallOptions& options) {
  const Result<ByteView> body = wire::encode(request, exchange.request);
  if (!body) return fail(ENAMETOOLONG, "request");
  const Result<ByteView> answer = call_raw(opcode, place, *body, exchange, options);
  if (!answer) return fail(answer.error());
  return wire::decode<Reply>(*answer);
}

/// Once, before anything else: where the agent listens (QNET_SOCKET or the default places). No system call but at most
/// one access(2); nothing is opened.
void configure(const char* socket_path);
/// The path in use, for messages.
const char* socket_path();

/// In the child after fork: forgets the parent's connections without closing what the parent uses.
void after_fork();
/// After set*id, setgroups: identity is proven when connecting, so connect anew.
void forget_identity();
/// True if `fd` is one of the library's own connections: close(), dup2() and close_range() must leave it alone.
bool owns_descriptor(int fd);
/// Moves away from `fd` if it is ours, so that the application can have the number. Used by dup2/dup3.
void vacate(int fd);

/// Process id and uid of the agent, as the kernel says (SO_PEERCRED of a connection). ENONET.
struct AgentIdentity {
  std::int32_t process = 0;
  std::uint32_t user = 0;
};
Result<AgentIdentity> agent_identity();

}  // namespace qnet::client
