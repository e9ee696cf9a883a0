// SPDX-License-Identifier: Apache-2.0
//
// engine_throughput.cpp: what does the engine itself cost? Two engines in one thread, joined by memory, real clock.
//
// Not a test: run by hand, `qnet_engine_throughput [DATAGRAM_BYTES [SECONDS]]`. Everything is counted, both sides'
// protocol work and their copies; no system call but the clock. The figures are CPU time, so a busy machine does not
// spoil them.
#include <malloc.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "transport/core/engine.hpp"

namespace qnet {
namespace {

constexpr std::size_t kMessageBytes = 1 << 20;
constexpr std::size_t kWindow = 8;  // messages on their way

Instant clock_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

struct Side {
  std::unique_ptr<core::Engine> engine;
  core::Address address;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

Side make_side(const char* name, std::byte id, std::size_t datagram_bytes) {
  static std::mt19937_64 random(7);
  Side side;
  NodeId node;
  node.bytes[0] = id;
  side.engine = std::make_unique<core::Engine>(core::LocalNode{node, name, Incarnation{1}}, core::EngineConfig{},
                                               [] { return random(); });
  side.engine->add_link({"en0", datagram_bytes, true});
  side.address.bytes[0] = id;
  side.address.size_bytes = 1;
  return side;
}

/// Moves everything that `from` wants to send over to `to`. Returns true if there was anything.
bool carry(Side& from, Side& to) {
  bool has_moved = false;
  while (const std::optional<core::Transmit> batch = from.engine->next_transmit(clock_now())) {
    has_moved = true;
    const Instant now = clock_now();  // One time per batch, as a receive burst has.
    for (std::size_t at = 0; at < batch->datagrams.size(); at += batch->segment_bytes) {
      const std::size_t bytes = std::min(batch->segment_bytes, batch->datagrams.size() - at);
      to.engine->on_datagram(LinkId{0}, from.address, batch->datagrams.subspan(at, bytes), now);
    }
  }
  while (const std::optional<core::Event> event = to.engine->next_event()) {
    if (const auto* message = std::get_if<core::MessageArrived>(&*event)) {
      ++to.messages;
      to.bytes += message->body.size();
    }
  }
  return has_moved;
}

void pump(Side& a, Side& b) {
  while (carry(a, b) || carry(b, a)) {
  }
  for (Side* side : {&a, &b}) {
    const std::optional<Instant> deadline = side->engine->deadline();
    if (deadline && *deadline <= clock_now()) side->engine->on_time(clock_now());
  }
}

/// CPU time of this process: other load on the machine does not count.
double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double seconds_since(Instant start) {
  return std::chrono::duration<double>(clock_now() - start).count();
}

void run(std::size_t datagram_bytes, double seconds) {
  Side a = make_side("a", std::byte{1}, datagram_bytes);
  Side b = make_side("b", std::byte{2}, datagram_bytes);
  const PeerId to_b = *a.engine->add_peer("b", clock_now());
  const PeerId to_a = *b.engine->add_peer("a", clock_now());
  a.engine->add_path(to_b, LinkId{0}, b.address, clock_now());
  b.engine->add_path(to_a, LinkId{0}, a.address, clock_now());
  while (!a.engine->is_up(to_b) || !b.engine->is_up(to_a)) pump(a, b);
  const ConnectionId connection = *a.engine->open_connection(to_b, "", "", clock_now());
  const auto send = [&](std::size_t bytes) {
    static_cast<void>(a.engine->send(to_b, Incarnation{1}, connection, true, 0, Buffer(bytes), clock_now()));
  };

  Instant start = clock_now();
  double cpu_start = cpu_seconds();
  std::uint64_t sent = 0;
  while (seconds_since(start) < seconds) {
    while (sent < b.messages + kWindow) {
      send(kMessageBytes);
      ++sent;
    }
    pump(a, b);
  }
  const double elapsed = cpu_seconds() - cpu_start;
  const std::uint64_t packets = b.engine->statistics().datagrams_received;
  std::printf("datagrams of %5zu bytes: 1 MiB messages at %6.2f Gbit/s, %.0f ns per datagram, %llu sent again\n",
              datagram_bytes, 8e-9 * static_cast<double>(b.bytes) / elapsed,
              1e9 * elapsed / static_cast<double>(packets),
              static_cast<unsigned long long>(a.engine->statistics().frames_retransmitted));

  while (b.messages < sent) pump(a, b);
  start = clock_now();
  cpu_start = cpu_seconds();
  std::uint64_t rounds = 0;
  while (seconds_since(start) < seconds / 2) {
    const std::uint64_t before = b.messages;
    send(64);
    while (b.messages == before) pump(a, b);
    ++rounds;
  }
  std::printf("64 byte messages, one at a time: %.0f ns each\n",
              1e9 * (cpu_seconds() - cpu_start) / static_cast<double>(rounds));
}

}  // namespace
}  // namespace qnet

int main(int argc, char** argv) {
  // As the agent does: a freed megabyte stays with us instead of being faulted in anew for each message.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  const double seconds = argc > 2 ? std::atof(argv[2]) : 2;
  if (argc > 1) {
    qnet::run(static_cast<std::size_t>(std::atoi(argv[1])), seconds);
  } else {
    for (const std::size_t bytes : {std::size_t{1472}, std::size_t{8972}, std::size_t{65504}})
      qnet::run(bytes, seconds);
  }
  return 0;
}
