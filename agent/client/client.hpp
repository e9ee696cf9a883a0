// SPDX-License-Identifier: Apache-2.0
//
// client.hpp: how does a process ask for one remote operation?
//
// One request out, one reply in, over a connection to the local agent. Connections are kept in a small pool: a call
// takes a free one or opens another (connect(2), 13 µs), so any number of threads, a signal handler that interrupts a
// call, and a forked child each have their own. No allocation, no lock, no libc call that libqnet.so interposes (raw
// system calls only): safe in signal handlers and between fork and exec.
//
// Errors are errno as in design D8: ENONET no agent; EHOSTDOWN, ESTALE … as the agent answers.
// Signals: a handler without SA_RESTART that runs while a request waits that may wait for long (Open, locks, Poll, and
// what CallOptions::may_wait_long says) cancels the request at the owner, which answers EINTR unless it was done
// already; with SA_RESTART, and for everything else, the wait goes on. The wait is no cancellation point.
// Agent restarts: a connection that is found dead before the whole request was handed over is opened anew, once; later
// than that the outcome is unknown and nothing is repeated.
// Threads:  any.
// Not here: which paths are remote (preload/route.hpp).
#pragma once

#include <fcntl.h>
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
  std::string_view path;  ///< for the caller of call(), who puts it into the message
};

/// Where to go on after kErrorRedirect. Not an errno; route.hpp deals with it and nobody else sees it.
inline constexpr int kRedirected = -1;

/// Room for one request and one reply without data; lives on the caller's stack. Views in a decoded reply point into
/// it.
template <std::size_t kRequestRoom, std::size_t kReplyRoom>
struct ExchangeOf {
  std::array<std::byte, kRequestRoom> request;
  std::array<std::byte, kReplyRoom> reply;
  int received_fd = -1;          ///< descriptor that came with the reply; the caller owns it
  wire::RedirectReply redirect;  ///< valid when a call failed with kRedirected
  /// Valid when a call failed with ESTALE: it was not executed, because no agent knows the handle.
  bool is_handle_gone = false;
};
/// For requests with paths.
using Exchange = ExchangeOf<2 * 4096 + 256, 4096 + 512>;
/// For requests on something open, without a path: small enough for a signal handler's stack.
using SmallExchange = ExchangeOf<192, 256>;

/// Most pieces of CallOptions::data_out and data_in in one call.
inline constexpr std::size_t kPiecesMax = 64;

/// CallOptions::prove_fd: the working directory shows it.
inline constexpr int kProveByWorkingDirectory = AT_FDCWD;

/// What a call does besides its message.
struct CallOptions {
  HandleId second_handle;           ///< Rename, Link
  std::span<const iovec> data_out;  ///< appended to the request: the Tail of Write, gathered
  std::span<const iovec> data_in;   ///< where the Tail of the reply goes, scattered
  std::size_t received_bytes = 0;   ///< out: how many bytes went to data_in
  int send_fd = -1;                 ///< AdoptHandle
  int prove_fd = -1;                ///< the descriptor that shows that we hold place.handle, sent if the agent asks
  int second_prove_fd = -1;         ///< the same for second_handle
  bool close_on_exec = true;        ///< for the received descriptor
  bool may_wait_long = false;       ///< Read and Write on streams and devices: a signal cancels them
};

/// Where a reply goes.
struct ReplyRoom {
  MutableBytes body;
  int* received_fd = nullptr;               ///< null: a descriptor is not expected and closed
  wire::RedirectReply* redirect = nullptr;  ///< null: a redirect is EIO
  bool* is_handle_gone = nullptr;           ///< see ExchangeOf
};

/// Sends `body`, already encoded, and waits. Returns the reply's body. The general form of the two below.
Result<ByteView> call_bytes(wire::Opcode opcode, const Place& place, ByteView body, const ReplyRoom& room,
                            CallOptions& options);

/// Closes a descriptor that came with a reply that makes no sense, and sets it to -1.
void close_received(int& fd);

template <class AnyExchange>
Result<ByteView> call_raw(wire::Opcode opcode, const Place& place, ByteView body, AnyExchange& exchange,
                          CallOptions& options) {
  const ReplyRoom room{exchange.reply, &exchange.received_fd, &exchange.redirect, &exchange.is_handle_gone};
  return call_bytes(opcode, place, body, room, options);
}

/// Encodes, calls, decodes. With data_in the reply's fixed fields must be empty (Read, ReadDirectory): use call_raw().
template <class Reply, class Request, class AnyExchange>
Result<Reply> call(wire::Opcode opcode, const Place& place, const Request& request, AnyExchange& exchange,
                   CallOptions& options) {
  const Result<ByteView> body = wire::encode(request, exchange.request);
  if (!body) return fail(ENAMETOOLONG, "request");
  const Result<ByteView> answer = call_raw(opcode, place, *body, exchange, options);
  if (!answer) return fail(answer.error());
  const Result<Reply> reply = wire::decode<Reply>(*answer);
  if (reply) return reply;
  close_received(exchange.received_fd);
  return fail(EIO, "reply");
}

/// Where the agent of the machine listens.
inline constexpr const char* kSystemSocket = "/run/qnet/agent.sock";
/// Once, before anything else: where the agent listens. Null or empty: QNET_SOCKET of the environment, else the default
/// places. No system call but at most one access(2); nothing is opened. A path that is too long leaves no agent
/// (ENONET).
void configure(const char* socket_path);
/// The path in use, for messages.
const char* socket_path();

/// In the child after fork, before it uses descriptors: closes the child's copies of the parent's connections. Children
/// made by other means are recognised by their process id and get a connection for each call.
void after_fork();
/// After set*id, setgroups: identity is proven when connecting, so connect anew.
void forget_identity();
/// True if `fd` is one of the library's own connections: close(), dup2() and close_range() must leave it alone.
bool owns_descriptor(int fd);
/// The lowest of them that is not below `first`; UINT_MAX: none.
unsigned next_own_descriptor(unsigned first);
/// Moves away from `fd` if it is ours, so that the application can have the number. Used by dup2/dup3.
void vacate(int fd);

/// Process id and uid of the agent, as the kernel says (SO_PEERCRED of a connection). ENONET.
struct AgentIdentity {
  std::int32_t process = 0;
  std::uint32_t user = 0;
};
Result<AgentIdentity> agent_identity();
/// Counts the agents seen: changes when a connection reaches another process than the one before. 0: none yet.
unsigned agent_epoch();

}  // namespace qnet::client
