// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/client/scripted_agent.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "agent/client/client.hpp"
#include "transport/wire/codec.hpp"

namespace qnet::client {
namespace {

/// All of it, or false at the end of the connection. The descriptor that comes with the first byte goes to `passed`.
bool read_all(int fd, void* memory, std::size_t size_bytes, int* passed) {
  auto* at = static_cast<char*>(memory);
  while (size_bytes > 0) {
    iovec piece{at, size_bytes};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (got <= 0) return false;
    const cmsghdr* const first = CMSG_FIRSTHDR(&message);
    if (first != nullptr && passed != nullptr) std::memcpy(passed, CMSG_DATA(first), sizeof *passed);
    at += got;
    size_bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

void send_all(int fd, const std::string& bytes, int passed) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (passed >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const first = CMSG_FIRSTHDR(&message);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(first), &passed, sizeof passed);
  }
  while (piece.iov_len > 0) {
    const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent <= 0) return;
    piece.iov_base = static_cast<char*>(piece.iov_base) + sent;
    piece.iov_len -= static_cast<std::size_t>(sent);
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  }
}

}  // namespace

ScriptedAgent::ScriptedAgent(std::string path, Script script) : path_(std::move(path)), script_(std::move(script)) {
  ::unlink(path_.c_str());
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  static_cast<void>(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  static_cast<void>(::listen(listener_, 16));
  acceptor_ = std::thread([this] { accept_loop(); });
}

ScriptedAgent::~ScriptedAgent() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  ::unlink(path_.c_str());
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

void ScriptedAgent::accept_loop() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard lock(mutex_);
    const int number = ++connections_;
    open_.push_back(fd);
    threads_.emplace_back([this, fd, number] { serve(fd, number); });
  }
}

void ScriptedAgent::serve(int fd, int number) {
  for (bool goes_on = true; goes_on;) {
    std::string front(wire::RequestHeader::kBytes, '\0');
    ScriptedRequest request;
    request.connection = number;
    if (!read_all(fd, front.data(), front.size(), &request.fd)) break;
    request.header = *wire::decode<wire::RequestHeader>(as_bytes(front));
    std::string rest(request.header.size_bytes, '\0');
    if (!read_all(fd, rest.data(), rest.size(), nullptr)) break;
    wire::Reader in(as_bytes(rest));
    std::string_view target;
    in.get(target);
    request.target = target;
    request.body = as_text(in.rest());

    const std::lock_guard lock(mutex_);
    ++requests_;
    const ScriptedReply reply = script_(request);
    if (request.fd >= 0) ::close(request.fd);
    goes_on = !reply.hangs_up;
    if (reply.is_silent) continue;
    std::string bytes(wire::ReplyHeader::kBytes, '\0');
    const std::uint16_t opcode = reply.opcode != 0 ? reply.opcode : request.header.opcode;
    const wire::ReplyHeader header{static_cast<std::uint32_t>(reply.body.size()), opcode, reply.error,
                                   reply.request != 0 ? reply.request : request.header.request};
    static_cast<void>(wire::encode(header, as_writable_bytes(bytes.data(), bytes.size())));
    send_all(fd, bytes + reply.body, reply.fd);
  }
  const std::lock_guard lock(mutex_);
  std::erase(open_, fd);
  ::close(fd);
}

WithAgentSocket::WithAgentSocket() {
  char pattern[] = "/tmp/qnet-client-XXXXXX";
  directory_ = ::mkdtemp(pattern);
  path_ = directory_ + "/agent.sock";
  configure(path_.c_str());
}

WithAgentSocket::~WithAgentSocket() {
  std::filesystem::remove_all(directory_);
}

}  // namespace qnet::client
