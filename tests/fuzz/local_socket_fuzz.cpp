// SPDX-License-Identifier: Apache-2.0
//
// local_socket_fuzz.cpp: what can a local program write into the agent's socket?
//
// The input is a course of writes of any length, with and without descriptors, of reads, and of answers that the agent
// gives early, late, with a descriptor, or by hanging up. Whatever comes: no descriptor stays open, no answer is given
// twice, and who breaks the rules is cut off.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "agent/local_session.hpp"
#include "tests/fuzz/choices.hpp"
#include "transport/base/check.hpp"

namespace qnet::agent {
namespace {

constexpr std::size_t kWritesMax = 100;
constexpr std::size_t kCallerBytesMax = 100'000;

class Host final : public SessionHost {
 public:
  void on_request(LocalSession& session, LocalRequest request) override {
    QNET_CHECK(!is_asked_ && request.body.size() <= wire::kMessageBytesMax);
    QNET_CHECK(session.target().size() <= kTargetBytesMax);
    is_asked_ = true;
    if (answers_at_once) answer(session, false);
  }
  void on_cancel(LocalSession&, std::uint64_t) override { QNET_CHECK(is_asked_); }
  void on_pipelined() override {}
  void on_closed(LocalSession&) override {
    QNET_CHECK(!is_closed_);
    is_closed_ = true;
  }
  void answer(LocalSession& session, bool with_descriptor) {
    if (!is_asked_ || is_closed_) return;
    is_asked_ = false;
    UniqueFd descriptor(with_descriptor ? dup(session.descriptor()) : -1);
    session.reply({.body = Buffer(reply_bytes)}, std::move(descriptor));
  }
  bool answers_at_once = false;
  std::size_t reply_bytes = 0;

 private:
  bool is_asked_ = false;
  bool is_closed_ = false;
};

/// Sends what fits; `fd` goes along unless it is -1.
void write_some(int socket, ByteView bytes, int fd) {
  iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* item = CMSG_FIRSTHDR(&message);
    item->cmsg_len = CMSG_LEN(sizeof(int));
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    std::memcpy(CMSG_DATA(item), &fd, sizeof fd);
  }
  static_cast<void>(sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

void write_request(int socket, fuzz::Choices& choices) {
  wire::RequestHeader header{.opcode = choices.byte(), .request = choices.byte()};
  const ByteView rest = choices.bytes(choices.byte());
  header.size_bytes = static_cast<std::uint32_t>(rest.size()) + (choices.byte() % 8 == 0 ? choices.byte() : 0u);
  std::byte bytes[wire::RequestHeader::kBytes];
  QNET_CHECK(wire::encode(header, bytes).has_value());
  write_some(socket, bytes, -1);
  if (!rest.empty()) write_some(socket, rest, -1);
}

void read_some(int socket, std::size_t bytes) {
  static std::byte room[1 << 16];
  static_cast<void>(recv(socket, room, std::min(bytes, sizeof room), MSG_DONTWAIT));
}

void run(Reactor& reactor, fuzz::Choices choices) {
  int ends[2];
  QNET_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  UniqueFd theirs(ends[0]);
  Host host;
  bool has_closed = false;
  CallerLimits limits({.caller_bytes_max = kCallerBytesMax});  // within reach
  LocalSession session(reactor, host, limits, UniqueFd(ends[1]), {.user = 1000}, has_closed);
  QNET_CHECK(session.start().has_value());
  for (std::size_t i = 0; i < kWritesMax && !choices.empty() && !session.is_closed(); ++i) {
    const std::uint8_t what = choices.byte();
    host.answers_at_once = (what & 0x80) != 0;
    host.reply_bytes = (what & 0x40) != 0 ? wire::kDataBytesMax : what;
    switch (what % 6) {
      case 0:
        write_some(theirs.get(), choices.bytes(choices.byte()), -1);
        break;
      case 1:
        write_some(theirs.get(), choices.bytes(1 + choices.byte()), theirs.get());
        break;
      case 2:
      case 3:
        write_request(theirs.get(), choices);
        break;
      case 4:
        read_some(theirs.get(), choices.number<std::uint16_t>());
        break;
      default:
        host.answer(session, choices.byte() % 2 == 0);
        break;
    }
    session.on_ready(EPOLLIN | EPOLLOUT);
  }
  if (!session.is_closed()) session.close();
  QNET_CHECK(has_closed);
}

}  // namespace
}  // namespace qnet::agent

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static boost::asio::io_context io;
  static qnet::agent::Reactor reactor(io);
  const auto lowest_free = [] { return qnet::UniqueFd(dup(STDERR_FILENO)).get(); };
  const int before = lowest_free();
  qnet::agent::run(reactor, {data, size});
  QNET_CHECK(lowest_free() == before);  // What stays open would have taken it.
  return 0;
}
