// SPDX-License-Identifier: Apache-2.0
//
// relay.cpp: what do the hops of a remote operation cost, without any protocol?
//
//   app --unix seqpacket--> daemon A --UDP--> daemon B --queue + eventfd--> worker thread
//   app <--unix seqpacket-- daemon A <--UDP-- daemon B <--queue + eventfd-- worker thread
//
// Every daemon is one thread around a level-triggered epoll and blocks when idle (unless --spin). Nothing is
// acknowledged, retransmitted, authenticated or ordered: a lost datagram makes the app wait 200 ms and count a loss.
// What qnet needs above the relay's time is the price of its protocol.
//
//   relay daemon --bind ADDR:PORT --peer ADDR:PORT [--worker thread|none] [--spin US]      on node b
//   relay daemon --bind ADDR:PORT --peer ADDR:PORT --local PATH [--spin US]                on node a
//   relay app --local PATH [--size BYTES | --size REQUEST:REPLY] [--count N] [--apps N] [--spin US]
//
//   --size    1 to 60000; 64:4096 is "a read of 4 KiB", 4096:64 a write
//   --worker  thread (default): B hands each request to a thread that may block. none: B answers from its event loop
//   --apps    so many apps at once, a thread and a connection each; the rate is the sum
//   --spin    poll that many µs before blocking
//
// Status 0, or 1 if a reply was lost or wrong.
#include "tests/benchmarks/relay.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "tests/benchmarks/measure.hpp"

namespace qnet::bench {
namespace {

constexpr std::int64_t kWarmUp = 500;  // requests per app before the clock counts
constexpr timeval kPatience{0, 200000};

struct AppOptions {
  std::string local;
  Options::Sizes sizes;
  std::int64_t count, apps, spin_us;
};

/// Waits for the reply to request `number`, past late replies to requests given up; `reply` is its room. 0 if none
/// comes.
std::size_t receive_reply(int fd, std::uint64_t number, std::int64_t spin_us, RelayMessage& reply) {
  const double spin_until = spin_us > 0 ? now_us() + static_cast<double>(spin_us) : 0;
  for (;;) {
    ssize_t got = -1;
    while (spin_us > 0 && got < 0 && now_us() < spin_until) got = recv(fd, reply.data(), reply.size(), MSG_DONTWAIT);
    if (got < 0) got = recv(fd, reply.data(), reply.size(), 0);
    if (got < static_cast<ssize_t>(sizeof(RelayHeader))) return 0;
    RelayHeader header;
    std::memcpy(&header, reply.data(), sizeof header);
    if (header.number == number) return static_cast<std::size_t>(got);
  }
}

/// One app: asks, waits, asks again. Returns the times of the good replies.
std::vector<double> run_app(const AppOptions& options, std::atomic<std::int64_t>& lost) {
  const int fd = check(socket(AF_UNIX, SOCK_SEQPACKET, 0), "socket");
  const sockaddr_un address = relay_socket(options.local);
  check(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  check(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience), "SO_RCVTIMEO");
  RelayMessage request(sizeof(RelayHeader) + options.sizes.request, 'q');
  RelayMessage reply(sizeof(RelayHeader) + kRelayBytesMax);
  std::vector<double> times_us;
  for (std::int64_t i = 0; i < kWarmUp + options.count; ++i) {
    const RelayHeader header{0, static_cast<std::uint32_t>(options.sizes.reply), static_cast<std::uint64_t>(i)};
    std::memcpy(request.data(), &header, sizeof header);
    const double start = now_us();
    check(send(fd, request.data(), request.size(), 0), "send");
    const std::size_t got = receive_reply(fd, header.number, options.spin_us, reply);
    const double end = now_us();
    if (got != sizeof header + options.sizes.reply) {
      ++lost;
    } else if (i >= kWarmUp) {
      times_us.push_back(end - start);
    }
  }
  close(fd);
  return times_us;
}

int run_apps(const AppOptions& options) {
  std::atomic<std::int64_t> lost = 0;
  std::vector<std::vector<double>> times_us(static_cast<std::size_t>(options.apps));
  const double start = now_us();
  {
    std::vector<std::jthread> apps;
    for (auto& of_app : times_us) apps.emplace_back([&] { of_app = run_app(options, lost); });
  }
  const double seconds = (now_us() - start) / 1e6;
  std::vector<double> all;
  for (const auto& of_app : times_us) all.insert(all.end(), of_app.begin(), of_app.end());
  if (all.empty()) give_up("relay: no reply at all");
  std::printf("relay size %zu:%zu count %lld apps %lld spin %lld lost %lld", options.sizes.request, options.sizes.reply,
              static_cast<long long>(options.count), static_cast<long long>(options.apps),
              static_cast<long long>(options.spin_us), static_cast<long long>(lost.load()));
  print_times(all);
  std::printf(" rate %.0f\n", static_cast<double>(options.apps * (options.count + kWarmUp)) / seconds);
  return lost == 0 ? 0 : 1;
}

int run(int count, char** words) {
  const std::string role = count > 1 ? words[1] : "";
  Options options(count, words, 2);
  if (role == "daemon") {
    RelayDaemonOptions daemon{.bind = options.address("bind"), .peer = options.address("peer")};
    daemon.local = options.text("local", "");
    const std::string worker = options.text("worker", "thread");
    if (worker != "thread" && worker != "none") give_up("--worker: " + worker);
    daemon.has_worker = worker == "thread" && daemon.local.empty();
    daemon.spin_us = options.number("spin", 0, 0, 1000000);
    options.finish();
    run_relay_daemon(daemon);
  }
  if (role != "app") give_up("usage: relay daemon|app …, see the head of relay.cpp");
  AppOptions app{options.required("local"), options.sizes("size", 64, kRelayBytesMax),
                 options.number("count", 20000, 1, 100000000), options.number("apps", 1, 1, 1000),
                 options.number("spin", 0, 0, 1000000)};
  options.finish();
  return run_apps(app);
}

}  // namespace
}  // namespace qnet::bench

int main(int count, char** words) {
  return qnet::bench::run(count, words);
}
