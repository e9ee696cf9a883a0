// SPDX-License-Identifier: Apache-2.0
//
// link_stream.cpp: what does a link driver carry, with no engine above it?
//
//   link_stream echo --link udp:ADDR:PORT                                                          on node b, until
//   killed link_stream ping --link udp:ADDR:PORT --to ADDR:PORT [--count N]                               64-byte round
//   trips link_stream flood --link udp:ADDR:PORT --to ADDR:PORT [--seconds N] [--segment BYTES] [--window BYTES]
//
// flood sends batches like those of the engine; the echo side adds up every byte that it got and reports the sum after
// each received burst, so flood sends at most `window` bytes ahead. Its figure counts bytes that arrived and were
// checked.
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "tests/benchmarks/measure.hpp"
#include "transport/link/link_driver.hpp"

namespace qnet::bench {
namespace {

constexpr int kBurstMax = 4;
constexpr std::size_t kBatchBytesMax = 65400;
constexpr std::size_t kPingBytes = 64;
constexpr int kPatienceMs = 200;

enum class Kind : std::uint32_t { kPing = 1, kStart = 2, kData = 3, kReport = 4 };

struct Beginning {
  Kind kind = Kind::kPing;
  std::uint32_t sum = 0;     // kData: of what follows
  std::uint64_t number = 0;  // kPing: which; kReport: bytes received and right
  std::uint64_t wrong_count = 0;
};

std::uint32_t sum_of(ByteView bytes) {
  std::uint64_t sum = 0;
  for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t))) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    sum += word;
  }
  return static_cast<std::uint32_t>(sum ^ (sum >> 32));
}

void ignore_error(const core::Address&, int) {}

void wait(const link::LinkDriver& driver, short events, int timeout_ms) {
  pollfd waiting{driver.descriptor(), events, 0};
  poll(&waiting, 1, timeout_ms);
}

template <class Message>
void send_one(link::LinkDriver& driver, const core::Address& to, const Message& message) {
  const ByteView bytes = as_bytes(&message, sizeof message);
  while (!driver.send(to, bytes, bytes.size()).has_value()) wait(driver, POLLOUT, kPatienceMs);
}

[[noreturn]] void echo(link::LinkDriver& driver) {
  Beginning report{.kind = Kind::kReport};
  for (;;) {
    wait(driver, POLLIN, -1);
    core::Address flooder;
    const auto on_datagram = [&](const core::Address& from, ByteView datagram) {
      Beginning beginning;
      if (datagram.size() < sizeof beginning) return;
      std::memcpy(&beginning, datagram.data(), sizeof beginning);
      if (beginning.kind == Kind::kPing) {
        [[maybe_unused]] const Status status = driver.send(from, datagram, datagram.size());
        return;
      }
      flooder = from;
      if (beginning.kind == Kind::kStart) {
        report = {.kind = Kind::kReport};
        return;
      }
      report.number += datagram.size();
      if (sum_of(datagram.subspan(sizeof beginning)) != beginning.sum) ++report.wrong_count;
    };
    driver.receive(kBurstMax, on_datagram, ignore_error);
    if (flooder.size_bytes != 0) send_one(driver, flooder, report);
  }
}

int ping(link::LinkDriver& driver, const core::Address& to, std::int64_t count) {
  std::array<std::byte, kPingBytes> request{};
  std::vector<double> times_us;
  for (std::int64_t i = 0; i < count; ++i) {
    const Beginning beginning{.kind = Kind::kPing, .number = static_cast<std::uint64_t>(i)};
    std::memcpy(request.data(), &beginning, sizeof beginning);
    const double start = now_us();
    send_one(driver, to, request);
    bool is_back = false;
    const auto on_datagram = [&](const core::Address&, ByteView datagram) {
      is_back = is_back || std::memcmp(datagram.data(), request.data(), request.size()) == 0;
    };
    while (!is_back && now_us() - start < kPatienceMs * 1e3) {
      wait(driver, POLLIN, kPatienceMs);
      driver.receive(kBurstMax, on_datagram, ignore_error);
    }
    if (is_back) times_us.push_back(now_us() - start);
  }
  if (times_us.empty()) give_up("link_stream: no reply at all");
  std::printf("link_ping count %lld lost %lld", static_cast<long long>(count),
              static_cast<long long>(count) - static_cast<long long>(times_us.size()));
  print_times(times_us);
  std::printf("\n");
  return 0;
}

std::vector<std::byte> make_batch(std::size_t segment_bytes) {
  const std::size_t segments = std::clamp<std::size_t>(kBatchBytesMax / segment_bytes, 1, 64);
  std::vector<std::byte> batch(segments * segment_bytes);
  for (std::size_t i = 0; i < batch.size(); ++i) batch[i] = static_cast<std::byte>((i * 2654435761u) >> 13);
  for (std::size_t at = 0; at < batch.size(); at += segment_bytes) {
    const ByteView rest = ByteView(batch).subspan(at + sizeof(Beginning), segment_bytes - sizeof(Beginning));
    const Beginning beginning{.kind = Kind::kData, .sum = sum_of(rest)};
    std::memcpy(batch.data() + at, &beginning, sizeof beginning);
  }
  return batch;
}

int flood(link::LinkDriver& driver, const core::Address& to, double seconds, std::size_t segment_bytes,
          std::uint64_t window_bytes) {
  const std::vector<std::byte> batch = make_batch(segment_bytes);
  Beginning last;
  bool has_report = false;
  const auto on_datagram = [&](const core::Address&, ByteView datagram) {
    if (datagram.size() != sizeof last) return;
    std::memcpy(&last, datagram.data(), sizeof last);
    has_report = true;
  };
  send_one(driver, to, Beginning{.kind = Kind::kStart});
  wait(driver, POLLIN, kPatienceMs);
  driver.receive(kBurstMax, on_datagram, ignore_error);
  if (!has_report) give_up("link_stream: no reply");
  std::uint64_t sent_bytes = 0, lost_bytes = 0;
  const double start = now_us();
  double now = start;
  while ((now = now_us()) - start < seconds * 1e6) {
    // What was given up may have arrived late.
    const std::uint64_t ahead_bytes = sent_bytes - std::min(sent_bytes, lost_bytes + last.number);
    if (ahead_bytes < window_bytes) {
      if (driver.send(to, batch, segment_bytes)) sent_bytes += batch.size();
      else wait(driver, POLLOUT, kPatienceMs);
      if (ahead_bytes < window_bytes / 2) continue;
    } else {
      pollfd waiting{driver.descriptor(), POLLIN, 0};
      if (poll(&waiting, 1, kPatienceMs) == 0) lost_bytes += ahead_bytes;  // dropped on the way
    }
    driver.receive(kBurstMax, on_datagram, ignore_error);
  }
  const double arrived = static_cast<double>(last.number);
  std::printf("link_flood segment %zu window %llu gbit_per_s %.2f lost_bytes %llu wrong %llu send_calls %llu\n",
              segment_bytes, static_cast<unsigned long long>(window_bytes), arrived * 8e-3 / (now - start),
              static_cast<unsigned long long>(lost_bytes), static_cast<unsigned long long>(last.wrong_count),
              static_cast<unsigned long long>(driver.statistics().send_calls));
  return last.wrong_count == 0 && arrived > 0 ? 0 : 1;
}

int run(int count, char** words) {
  const std::string role = count > 1 ? words[1] : "";
  Options options(count, words, 2);
  const auto driver = link::make_link_driver(options.required("link"));
  if (!driver) give_up(std::string("--link: ") + driver.error().where);
  if (role == "echo") {
    options.finish();
    echo(**driver);
  }
  const Result<core::Address> to = (*driver)->parse_address(options.required("to"));
  if (!to) give_up("--to: no address");
  if (role == "ping") {
    const std::int64_t pings = options.number("count", 20000, 1, 100000000);
    options.finish();
    return ping(**driver, *to, pings);
  }
  if (role != "flood") give_up("usage: link_stream echo|ping|flood …, see the head of link_stream.cpp");
  const std::int64_t seconds = options.number("seconds", 2, 1, 3600);
  const auto most = static_cast<std::int64_t>((*driver)->condition().datagram_bytes_max);
  const std::int64_t segment = options.number("segment", most, sizeof(Beginning) + 8, most);
  const std::int64_t window = options.number("window", 1 << 20, 1 << 16, 1 << 26);
  options.finish();
  return flood(**driver, *to, static_cast<double>(seconds), static_cast<std::size_t>(segment),
               static_cast<std::uint64_t>(window));
}

}  // namespace
}  // namespace qnet::bench

int main(int count, char** words) {
  return qnet::bench::run(count, words);
}
