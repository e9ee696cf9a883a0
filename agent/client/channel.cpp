// SPDX-License-Identifier: Apache-2.0
#include "agent/client/channel.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>

#include "transport/base/raw_syscall.hpp"

namespace qnet::client {
namespace {

/// The memory that is still to be sent or filled, piece by piece.
class Pieces {
 public:
  void add(const void* memory, std::size_t size_bytes) {
    if (size_bytes != 0 && count_ < pieces_.size()) pieces_[count_++] = {const_cast<void*>(memory), size_bytes};
  }
  void add(std::span<const iovec> more) {
    for (const iovec& piece : more) add(piece.iov_base, piece.iov_len);
  }

  void advance(std::size_t done_bytes) {
    while (first_ < count_ && done_bytes >= pieces_[first_].iov_len) done_bytes -= pieces_[first_++].iov_len;
    if (first_ == count_) return;
    pieces_[first_].iov_base = static_cast<char*>(pieces_[first_].iov_base) + done_bytes;
    pieces_[first_].iov_len -= done_bytes;
  }
  /// Cuts what is left to `most_bytes`.
  void limit(std::size_t most_bytes) {
    for (std::size_t i = first_; i < count_; ++i) {
      pieces_[i].iov_len = std::min(pieces_[i].iov_len, most_bytes);
      most_bytes -= pieces_[i].iov_len;
    }
  }
  std::size_t size_bytes() const {
    std::size_t sum = 0;
    for (std::size_t i = first_; i < count_; ++i) sum += pieces_[i].iov_len;
    return sum;
  }
  msghdr message() {
    msghdr header{};
    header.msg_iov = pieces_.data() + first_;
    header.msg_iovlen = count_ - first_;
    return header;
  }

 private:
  std::array<iovec, kPiecesMax + 2> pieces_;
  std::size_t first_ = 0, count_ = 0;
};

struct OneFd {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes{};

  void attach(msghdr& message) {
    message.msg_control = bytes.data();
    message.msg_controllen = bytes.size();
  }
  void put(msghdr& message, int fd) {
    attach(message);
    cmsghdr* const control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(control), &fd, sizeof fd);
  }
  static int take(msghdr& message) {
    const cmsghdr* const control = CMSG_FIRSTHDR(&message);
    if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) return -1;
    if (control->cmsg_len < CMSG_LEN(sizeof(int))) return -1;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(control), sizeof fd);
    return fd;
  }
};

/// recvmsg(2) that goes on after signals. 0 is never returned: ECONNRESET.
Result<std::size_t> receive_some(const Socket& socket, msghdr& message, int flags, OnInterrupt& on_interrupt) {
  for (;;) {
    const long got = raw_syscall(SYS_recvmsg, socket.fd(), &message, flags);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) return fail(ECONNRESET, "recvmsg");
    if (got != -EINTR) return fail(static_cast<int>(-got), "recvmsg");
    on_interrupt.interrupted();
  }
}

}  // namespace

Status send_request(const Socket& socket, const OutgoingRequest& request) {
  std::array<std::byte, wire::RequestHeader::kBytes + 2 + kTargetBytesMax> front;
  wire::RequestHeader header = request.header;
  std::size_t size_bytes = 2 + request.target.size() + request.body.size();
  for (const iovec& piece : request.data) size_bytes += piece.iov_len;
  header.size_bytes = static_cast<std::uint32_t>(size_bytes);
  wire::Writer out(front);
  wire::put_field(out, header);
  out.put(request.target);
  if (out.has_failed() || size_bytes > wire::kMessageBytesMax || request.data.size() > kPiecesMax) {
    return fail(EMSGSIZE, "request");
  }

  Pieces pieces;
  pieces.add(front.data(), out.written_bytes());
  pieces.add(request.body.data(), request.body.size());
  pieces.add(request.data);
  OneFd rights;
  int fd_to_send = request.send_fd;
  for (std::size_t left = wire::RequestHeader::kBytes + size_bytes; left > 0;) {
    msghdr message = pieces.message();
    if (fd_to_send >= 0) rights.put(message, fd_to_send);
    const long sent = raw_syscall(SYS_sendmsg, socket.fd(), &message, MSG_NOSIGNAL);
    if (sent == -EINTR) continue;
    if (sent < 0) return fail(static_cast<int>(-sent), "sendmsg");
    fd_to_send = -1;
    left -= static_cast<std::size_t>(sent);
    pieces.advance(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<IncomingReply> receive_reply(const Socket& socket, MutableBytes body, std::span<const iovec> data,
                                    bool close_on_exec, OnInterrupt& on_interrupt) {
  std::array<std::byte, wire::ReplyHeader::kBytes> front;
  Pieces pieces;
  pieces.add(front.data(), front.size());
  if (data.empty()) pieces.add(body.data(), body.size());
  else pieces.add(data);
  const std::size_t room_bytes = pieces.size_bytes() - front.size();

  IncomingReply reply;
  OneFd rights;
  std::size_t got_bytes = 0;
  while (got_bytes < front.size()) {
    msghdr message = pieces.message();
    if (got_bytes == 0) rights.attach(message);
    const Result<std::size_t> got = receive_some(socket, message, close_on_exec ? MSG_CMSG_CLOEXEC : 0, on_interrupt);
    if (!got) return fail(got.error());
    if (got_bytes == 0) {
      reply.fd = OneFd::take(message);
      reply.lost_fd = (message.msg_flags & MSG_CTRUNC) != 0;
    }
    got_bytes += *got;
    pieces.advance(*got);
  }

  wire::Reader in(front);
  wire::get_field(in, reply.header);
  const std::size_t whole_bytes = front.size() + reply.header.size_bytes;
  if (got_bytes > whole_bytes || reply.header.size_bytes > room_bytes) {
    if (reply.fd >= 0) raw_syscall(SYS_close, reply.fd);
    return fail(EPROTO, "reply: wrong length");
  }
  pieces.limit(whole_bytes - got_bytes);
  while (got_bytes < whole_bytes) {
    msghdr message = pieces.message();
    const Result<std::size_t> got = receive_some(socket, message, MSG_WAITALL, on_interrupt);
    if (!got) {
      if (reply.fd >= 0) raw_syscall(SYS_close, reply.fd);
      return fail(got.error());
    }
    got_bytes += *got;
    pieces.advance(*got);
  }
  if (data.empty()) reply.body_bytes = reply.header.size_bytes;
  else reply.data_bytes = reply.header.size_bytes;
  return reply;
}

}  // namespace qnet::client
