// SPDX-License-Identifier: Apache-2.0
#include "agent/client/client.hpp"

#include <sys/syscall.h>

#include "agent/client/brought.hpp"
#include "agent/client/connection_pool.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::client {
namespace {

using wire::Opcode;

/// Times a request is sent on a new connection because the old one was dead, and after proving a handle.
constexpr int kAttemptsMax = 4;

bool may_wait_long(Opcode opcode, const CallOptions& options) {
  switch (opcode) {
    case Opcode::kOpen:
    case Opcode::kLockWhole:
    case Opcode::kLockRange:
    case Opcode::kPoll:
      return true;
    default:
      return options.may_wait_long;
  }
}

/// Tells the agent once that the answer is no longer wanted. The request is answered nevertheless.
class CancelOnce final : public OnInterrupt {
 public:
  CancelOnce(const Socket& socket, std::uint64_t request, bool is_wanted)
      : socket_(socket), request_(request), is_wanted_(is_wanted) {}

  void interrupted() override {
    if (!is_wanted_) return;
    is_wanted_ = false;
    std::array<std::byte, 16> memory;
    const Result<ByteView> body = wire::encode(wire::CancelRequest{request_}, memory);
    if (!body) return;
    OutgoingRequest cancel;
    cancel.header.opcode = static_cast<std::uint16_t>(Opcode::kCancel);
    cancel.body = *body;
    // A failure shows in the wait that follows.
    static_cast<void>(send_request(socket_, cancel));
  }

 private:
  const Socket& socket_;
  const std::uint64_t request_;
  bool is_wanted_;
};

/// One request and its reply on the leased connection. `was_delivered` says whether the agent can have got it.
Result<IncomingReply> exchange_once(Lease& lease, Opcode opcode, OutgoingRequest& request, const ReplyRoom& room,
                                    const CallOptions& options, bool& was_delivered) {
  was_delivered = false;
  request.header.opcode = static_cast<std::uint16_t>(opcode);
  request.header.request = lease.next_request();
  if (const Status sent = send_request(lease, request); !sent) {
    if (sent.error().code != EMSGSIZE) lease.spoil();
    return fail(sent.error());
  }
  was_delivered = true;

  CancelOnce cancel(lease, request.header.request, may_wait_long(opcode, options));
  const Result<IncomingReply> reply = receive_reply(lease, room.body, options.data_in, options.close_on_exec, cancel);
  if (!reply) {
    if (lease.is_orphaned()) return fail(EINTR, "fork in a signal handler");
    lease.spoil();
    const int error = reply.error().code;
    return fail(error == EPROTO ? EIO : error == EFAULT ? EFAULT : ENONET, reply.error().where);
  }
  const bool is_ours = reply->header.request == request.header.request && reply->header.opcode == request.header.opcode;
  const bool is_wanted = is_ours && reply->header.error == 0 && room.received_fd != nullptr;
  if (!is_wanted && reply->fd >= 0) raw_syscall(SYS_close, reply->fd);
  if (!is_ours) {
    lease.spoil();
    return fail(EIO, "reply to something else");
  }
  return reply;
}

Status send_adopt(Lease& lease, std::string_view target, HandleId handle, int fd) {
  OutgoingRequest request;
  request.header.handle = handle.value;
  request.target = target;
  request.send_fd = fd;
  std::array<std::byte, 16> memory;
  const CallOptions options;
  bool was_delivered = false;
  const Result<IncomingReply> reply =
      exchange_once(lease, Opcode::kAdoptHandle, request, ReplyRoom{.body = memory}, options, was_delivered);
  if (!reply) return fail(was_delivered ? reply.error().code : ENONET, "adopt");
  if (reply->header.error != 0) return fail(wire::errno_from_wire(reply->header.error), "adopt");
  return {};
}

/// Shows the agent the descriptor of a handle that another connection opened.
Status adopt(Lease& lease, std::string_view target, HandleId handle, int fd) {
  if (handle.is_none()) return {};
  if (fd != kProveByWorkingDirectory) return fd < 0 ? Status() : send_adopt(lease, target, handle, fd);
  const long here = raw_syscall(SYS_openat, AT_FDCWD, ".", O_PATH | O_CLOEXEC);
  if (here < 0) return fail(static_cast<int>(-here), "adopt");
  const Status adopted = send_adopt(lease, target, handle, static_cast<int>(here));
  raw_syscall(SYS_close, here);
  return adopted;
}

Result<ByteView> finish(const IncomingReply& reply, const ReplyRoom& room, CallOptions& options) {
  const ByteView body = ByteView(room.body).first(reply.body_bytes);
  if (reply.header.error == wire::kErrorRedirect) {
    const Result<wire::RedirectReply> redirect = wire::decode<wire::RedirectReply>(body);
    if (!redirect || room.redirect == nullptr) return fail(EIO, "redirect");
    *room.redirect = *redirect;
    return fail(kRedirected, "redirect");
  }
  if (reply.header.error != 0) {
    if (room.is_handle_gone != nullptr) *room.is_handle_gone = reply.header.error == wire::kErrorHandleGone;
    return fail(wire::errno_from_wire(reply.header.error), "reply");
  }
  if (reply.lost_fd) return fail(EMFILE, "reply");
  if (room.received_fd != nullptr) *room.received_fd = reply.fd;
  options.received_bytes = reply.data_bytes;
  return body;
}

}  // namespace

void close_received(int& fd) {
  if (fd >= 0) raw_syscall(SYS_close, fd);
  fd = -1;
}

Result<ByteView> call_bytes(Opcode opcode, const Place& place, ByteView body, const ReplyRoom& room,
                            CallOptions& options) {
  brought::settle();
  options.received_bytes = 0;
  if (room.is_handle_gone != nullptr) *room.is_handle_gone = false;
  Lease lease;
  AgentIdentity former{};
  bool has_proven = false;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (const Status connected = lease.ensure_connected(); !connected) return fail(connected.error());
    // A handle belongs to the agent that gave it: another one at the same socket cannot know it.
    const bool is_another = former.process != 0 && lease.agent().process != former.process;
    if (is_another && !place.handle.is_none()) {
      if (room.is_handle_gone != nullptr) *room.is_handle_gone = true;
      return fail(ESTALE, "another agent");
    }

    OutgoingRequest request;
    request.header.handle = place.handle.value;
    request.header.second_handle = options.second_handle.value;
    request.target = place.target;
    request.body = body;
    request.data = options.data_out;
    request.send_fd = options.send_fd;
    const bool was_used = lease.was_used();
    former = lease.agent();
    bool was_delivered = false;
    const Result<IncomingReply> reply = exchange_once(lease, opcode, request, room, options, was_delivered);
    if (!reply) {
      const int error = reply.error().code;
      if (was_delivered || error == EMSGSIZE || error == EFAULT || error == EBADF) return fail(reply.error());
      if (!was_used) return fail(ENONET, "connection lost");
      continue;
    }
    if (reply->header.error != wire::kErrorProveHandle || has_proven) return finish(*reply, room, options);
    has_proven = true;
    Status adopted = adopt(lease, place.target, place.handle, options.prove_fd);
    if (adopted) adopted = adopt(lease, place.target, options.second_handle, options.second_prove_fd);
    if (!adopted) return fail(adopted.error());
  }
  return fail(ENONET, "too many attempts");
}

}  // namespace qnet::client
