// SPDX-License-Identifier: Apache-2.0
//
// udp_pingpong.cpp: how long does a datagram take there and back when nobody does anything with it? (R)
//
//   udp_pingpong echo --bind ADDR:PORT [--wait recv|epoll]                                    on node b, until killed
//   udp_pingpong ping --bind ADDR:PORT --to ADDR:PORT [--size BYTES | REQUEST:REPLY] [--count N] [--wait …]   on node a
//
// Both block in the kernel: in recv(2), or in epoll_wait(2) as whoever has more than one descriptor. The first four
// bytes of a ping say how long the reply shall be. Status 1 after a loss.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "tests/benchmarks/measure.hpp"

namespace qnet::bench {
namespace {

constexpr std::size_t kDatagramBytesMax = 60000;
constexpr std::int64_t kWarmUp = 500;
constexpr timeval kPatience{0, 200000};

struct Beginning {
  std::uint32_t reply_bytes = 0;
  std::uint32_t number = 0;
};

/// Blocks until there is something to receive, if that is how to wait.
class Waiting {
 public:
  Waiting(int socket, const std::string& how) {
    if (how == "recv") return;
    if (how != "epoll") give_up("--wait: recv or epoll");
    set_ = check(epoll_create1(0), "epoll_create1");
    epoll_event event{.events = EPOLLIN, .data = {.fd = socket}};
    check(epoll_ctl(set_, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
  }
  void wait() const {
    epoll_event event;
    if (set_ >= 0) epoll_wait(set_, &event, 1, kPatience.tv_usec / 1000);
  }

 private:
  int set_ = -1;
};

int open_socket(const core::Address& own) {
  const int fd = check(socket(link::family_of(own), SOCK_DGRAM, 0), "socket");
  check(bind(fd, link::as_sockaddr(own), own.size_bytes), "bind");
  return fd;
}

[[noreturn]] void echo(const core::Address& own, const std::string& how) {
  const int fd = open_socket(own);
  const Waiting waiting(fd, how);
  std::vector<char> buffer(kDatagramBytesMax);
  for (;;) {
    sockaddr_storage from;
    socklen_t from_size = sizeof from;
    auto* const sender = reinterpret_cast<sockaddr*>(&from);
    waiting.wait();
    const ssize_t got = recvfrom(fd, buffer.data(), buffer.size(), 0, sender, &from_size);
    Beginning beginning;
    if (got < static_cast<ssize_t>(sizeof beginning)) continue;
    std::memcpy(&beginning, buffer.data(), sizeof beginning);
    const std::size_t reply_bytes = std::clamp<std::size_t>(beginning.reply_bytes, sizeof beginning, buffer.size());
    [[maybe_unused]] const ssize_t sent = sendto(fd, buffer.data(), reply_bytes, 0, sender, from_size);
  }
}

int ping(const core::Address& own, const core::Address& to, Options::Sizes sizes, std::int64_t count,
         const std::string& how) {
  const int fd = open_socket(own);
  const Waiting waiting(fd, how);
  check(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience), "SO_RCVTIMEO");
  const std::size_t request_bytes = std::max(sizes.request, sizeof(Beginning));
  const std::size_t reply_bytes = std::max(sizes.reply, sizeof(Beginning));
  std::vector<char> request(request_bytes, 'q'), reply(kDatagramBytesMax);
  std::vector<double> times_us;
  std::int64_t lost = 0;
  for (std::int64_t i = 0; i < kWarmUp + count; ++i) {
    const Beginning beginning{static_cast<std::uint32_t>(reply_bytes), static_cast<std::uint32_t>(i)};
    std::memcpy(request.data(), &beginning, sizeof beginning);
    const double start = now_us();
    check(sendto(fd, request.data(), request_bytes, 0, link::as_sockaddr(to), to.size_bytes), "sendto");
    Beginning answer;
    ssize_t got = 0;
    do {
      waiting.wait();
      got = recv(fd, reply.data(), reply.size(), 0);
      if (got > 0) std::memcpy(&answer, reply.data(), sizeof answer);
    } while (got > 0 && answer.number < beginning.number);  // late
    const double end = now_us();
    if (got != static_cast<ssize_t>(reply_bytes)) {
      ++lost;
    } else if (i >= kWarmUp) {
      times_us.push_back(end - start);
    }
  }
  if (times_us.empty()) give_up("udp_pingpong: no reply at all");
  std::printf("udp_pingpong size %zu:%zu count %lld lost %lld", request_bytes, reply_bytes,
              static_cast<long long>(count), static_cast<long long>(lost));
  print_times(times_us);
  std::printf("\n");
  return lost == 0 ? 0 : 1;
}

int run(int count, char** words) {
  const std::string role = count > 1 ? words[1] : "";
  if (role != "echo" && role != "ping") give_up("usage: udp_pingpong echo|ping …, see the head of udp_pingpong.cpp");
  Options options(count, words, 2);
  const core::Address own = options.address("bind");
  const std::string how = options.text("wait", "recv");
  if (role == "echo") {
    options.finish();
    echo(own, how);
  }
  const core::Address to = options.address("to");
  const Options::Sizes sizes = options.sizes("size", 64, kDatagramBytesMax);
  const std::int64_t pings = options.number("count", 20000, 1, 100000000);
  options.finish();
  return ping(own, to, sizes, pings, how);
}

}  // namespace
}  // namespace qnet::bench

int main(int count, char** words) {
  return qnet::bench::run(count, words);
}
