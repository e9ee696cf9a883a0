// SPDX-License-Identifier: Apache-2.0
#include "agent/local_session.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "transport/base/check.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::agent {
namespace {

constexpr std::size_t kTextLengthBytes = sizeof(std::uint16_t);
/// Descriptors taken off a message; only one is ever wanted, the kernel drops more.
constexpr std::size_t kDescriptorsMax = 1;
/// Target and CancelRequest.
constexpr std::size_t kCancelBytesMax = 1024;

/// The descriptor that came with a message, if any.
UniqueFd take_descriptor(msghdr& message) {
  UniqueFd taken;
  for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(item) + i * sizeof fd, sizeof fd);
      taken.reset(fd);
    }
  }
  return taken;
}

}  // namespace

LocalSession::LocalSession(Reactor& reactor, SessionHost& host, CallerLimits& limits, UniqueFd socket,
                           wire::Caller caller, bool& has_closed)
    : priority(caller.process),
      reactor_(reactor),
      host_(host),
      limits_(limits),
      socket_(std::move(socket)),
      caller_(caller),
      has_closed_(has_closed) {}

LocalSession::~LocalSession() {
  if (!is_closed_) reactor_.forget(socket_.get(), *this);
}

Status LocalSession::start() {
  return reactor_.watch(socket_.get(), EPOLLIN, *this);
}

void LocalSession::close() {
  if (is_closed_) return;
  is_closed_ = true;
  has_closed_ = true;
  reactor_.forget(socket_.get(), *this);
  socket_.reset();
  reply_descriptor_.reset();
  in_flight.place.reset();
  release();
  host_.on_closed(*this);
}

void LocalSession::adopt(const HandleKey& key) {
  if (adopted_.size() >= kAdoptedMax) adopted_.clear();  // The client proves again what it still uses.
  adopted_.insert(key);
}

void LocalSession::on_ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0 && waits_for_room_) write_reply();
  if (is_closed_ || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  const ssize_t count = receive();
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) close();
}

namespace {

/// Shared by all sessions: what is in it is consumed before the strand does anything else.
alignas(64) std::array<std::byte, LocalSession::kScratchBytes> scratch;

}  // namespace

/// Returns what recvmsg(2) does, and 0 as well if the connection must be closed.
ssize_t LocalSession::receive() {
  const bool is_inside = header_filled_ == header_bytes_.size();
  const MutableBytes direct = is_inside && !is_refused_ ? message_.bytes().subspan(message_filled_) : MutableBytes();
  iovec pieces[2] = {{direct.data(), direct.size()}, {scratch.data(), scratch.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorsMax * sizeof(int))];
  msghdr message{};
  message.msg_iov = is_inside ? pieces : pieces + 1;
  message.msg_iovlen = is_inside ? 2 : 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t received = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (received <= 0) return received;
  if (message.msg_controllen > 0) received_ = take_descriptor(message);

  const auto count = static_cast<std::size_t>(received);
  const std::size_t direct_count = std::min(count, direct.size());
  message_filled_ += direct_count;
  const bool is_right = (!is_inside || message_filled_ < header_.size_bytes || finish_message()) &&
                        consume(ByteView(scratch).first(count - direct_count));
  was_cut_off_ = !is_right && !is_closed_;
  return is_right ? received : 0;
}

/// False: the connection must be closed, or is.
bool LocalSession::consume(ByteView bytes) {
  bool is_first = true;
  while (!bytes.empty()) {
    if (is_closed_) return false;
    if (!is_first && header_filled_ == 0) host_.on_pipelined();
    is_first = false;
    if (header_filled_ < header_bytes_.size()) {
      const std::size_t count = std::min(bytes.size(), header_bytes_.size() - header_filled_);
      std::memcpy(header_bytes_.data() + header_filled_, bytes.data(), count);
      header_filled_ += count;
      bytes = bytes.subspan(count);
      if (header_filled_ < header_bytes_.size()) return true;
      if (!begin_message()) return false;
    }
    const std::size_t count = std::min(bytes.size(), header_.size_bytes - message_filled_);
    if (count > 0 && !is_refused_) std::memcpy(message_.data() + message_filled_, bytes.data(), count);
    message_filled_ += count;
    bytes = bytes.subspan(count);
    if (message_filled_ == header_.size_bytes && !finish_message()) return false;
  }
  return !is_closed_;
}

bool LocalSession::begin_message() {
  const Result<wire::RequestHeader> header = wire::decode<wire::RequestHeader>(header_bytes_);
  if (!header || header->size_bytes < kTextLengthBytes || header->size_bytes > wire::kMessageBytesMax) return false;
  header_ = *header;
  const bool is_cancel = header_.opcode == static_cast<std::uint16_t>(wire::Opcode::kCancel);
  if (is_cancel && header_.size_bytes > kCancelBytesMax) return false;
  if (is_busy_ && !is_cancel) return false;
  is_refused_ = !is_cancel && !admit();
  message_ = Buffer(is_refused_ ? 0 : header_.size_bytes);
  message_filled_ = 0;
  return true;
}

bool LocalSession::admit() {
  if (!limits_.begin(caller_.user, static_cast<wire::Opcode>(header_.opcode), header_.size_bytes)) return false;
  held_bytes_ = header_.size_bytes;
  return true;
}

void LocalSession::release() {
  if (held_bytes_) limits_.end(caller_.user, *held_bytes_);
  held_bytes_.reset();
}

void LocalSession::answer_refused() {
  is_refused_ = false;
  received_.reset();
  is_busy_ = true;
  in_flight = {.opcode = header_.opcode, .request = header_.request};
  reply(failed(EAGAIN));
}

bool LocalSession::finish_message() {
  header_filled_ = 0;
  message_filled_ = 0;
  if (is_refused_) {
    answer_refused();
    return !is_closed_;
  }
  LocalRequest request{.header = header_, .body = std::move(message_), .descriptor = std::move(received_)};
  wire::Reader in(request.body.view());
  std::string_view target;
  in.get(target);
  if (in.has_failed() || target.size() > kTargetBytesMax) return false;
  const std::size_t target_bytes = kTextLengthBytes + target.size();

  if (request.header.opcode == static_cast<std::uint16_t>(wire::Opcode::kCancel)) {
    const auto cancel = wire::decode<wire::CancelRequest>(in.rest());
    if (cancel && is_busy_) host_.on_cancel(*this, cancel->request);
    return cancel.has_value() && !is_closed_;
  }
  is_busy_ = true;
  target_.assign(target);
  request.body.drop_front(target_bytes);
  in_flight = {.opcode = header_.opcode, .request = header_.request};
  const std::size_t reply_bytes = reply_bytes_of(static_cast<wire::Opcode>(header_.opcode), request.body.view());
  if (reply_bytes > 0 && !limits_.add(caller_.user, reply_bytes)) {
    reply(failed(EAGAIN));
    return !is_closed_;
  }
  *held_bytes_ += reply_bytes;
  host_.on_request(*this, std::move(request));
  return !is_closed_;
}

void LocalSession::reply(NodeReply reply, UniqueFd descriptor) {
  if (is_closed_) return;
  QNET_CHECK(is_busy_ && reply_.empty());
  reply_ = with_header(std::move(reply), in_flight.opcode, in_flight.request);
  reply_sent_ = 0;
  reply_descriptor_ = std::move(descriptor);
  in_flight.call = {};
  in_flight.place.reset();
  write_reply();
}

void LocalSession::write_reply() {
  while (reply_sent_ < reply_.size()) {
    const MutableBytes rest = reply_.bytes().subspan(reply_sent_);
    iovec piece{rest.data(), rest.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    if (reply_descriptor_) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* item = CMSG_FIRSTHDR(&message);
      *item = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
      const int fd = reply_descriptor_.get();
      std::memcpy(CMSG_DATA(item), &fd, sizeof fd);
    }
    const ssize_t sent = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      if (!std::exchange(waits_for_room_, true)) reactor_.change(socket_.get(), EPOLLIN | EPOLLOUT, *this);
      return;
    }
    if (sent < 0) return close();
    reply_descriptor_.reset();
    reply_sent_ += static_cast<std::size_t>(sent);
  }
  reply_ = Buffer();
  is_busy_ = false;
  release();
  if (std::exchange(waits_for_room_, false)) reactor_.change(socket_.get(), EPOLLIN, *this);
}

}  // namespace qnet::agent
