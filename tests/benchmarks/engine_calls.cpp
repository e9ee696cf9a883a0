// SPDX-License-Identifier: Apache-2.0
//
// engine_calls.cpp: what do calls and streams cost from engine to engine, over one link or several?
//
//   engine_calls serve  --own ADDR,… --peer ADDR,…                              on node b, until killed
//   engine_calls call   --own ADDR,… --peer ADDR,… [--size BYTES] [--count N] [--interval US] [--bulk BYTES]
//                       [--seconds N: at most that long]
//   engine_calls pend   --own ADDR,… --peer ADDR,…                              a call that is never answered
//   engine_calls stream --own ADDR,… --peer ADDR,… [--size BYTES] [--seconds N] [--depth N] [--slice MS]
//
// The server answers a request with as many bytes as its first four say. call: one request after the other, the next
// no earlier than `interval` after the last; `gap` is the longest time between two replies; with --bulk, requests of
// that size keep the links busy meanwhile. stream: `depth` requests of `size` on the way at any time; its figure counts
// bytes that were answered; with --slice it tells them for each slice of time, with the moment (CLOCK_MONOTONIC, µs) in
// front. pend: tells the moment at which its call has failed, because the peer is lost. All print "started" when the
// peer is up. --busy-wait US as qnetd has it, --policy and --link of the calls.
#include <cstring>
#include <deque>
#include <sstream>

#include "tests/benchmarks/engine_node.hpp"
#include "tests/benchmarks/measure.hpp"

namespace qnet::bench {
namespace {

constexpr std::int64_t kSizeMax = 1 << 20;
constexpr std::size_t kSizeMin = sizeof(std::uint32_t);
constexpr std::size_t kBulkDepth = 4;
constexpr std::size_t kReceiptBytes = 8;
constexpr std::size_t kNeverAnswered = std::size_t{1} << 31;  // such a reply is too long
constexpr Duration kPendMax = std::chrono::seconds(20);
constexpr int kWarmUp = 200;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

Buffer make_request(std::size_t size_bytes, std::size_t reply_bytes) {
  Buffer body(std::max(size_bytes, kSizeMin));
  const auto wanted = static_cast<std::uint32_t>(reply_bytes);
  std::memcpy(body.data(), &wanted, sizeof wanted);
  return body;
}

Instant after(Instant at, std::int64_t us) {
  return at + std::chrono::microseconds(us);
}

double to_us(Instant at) {
  return std::chrono::duration<double, std::micro>(at.time_since_epoch()).count();
}

void tell_started() {
  std::printf("started\n");
  std::fflush(stdout);
}

int serve(EngineNode& node) {
  node.run(
      [&node](const core::MessageArrived& request, Instant at) {
        std::uint32_t reply_bytes = 0;
        if (request.body.size() < sizeof reply_bytes) return;
        std::memcpy(&reply_bytes, request.body.data(), sizeof reply_bytes);
        if (reply_bytes <= kSizeMax) node.answer(request, Buffer(reply_bytes), at);
      },
      [](Instant) { return std::nullopt; });
  return 0;
}

struct CallSettings {
  std::string policy, link;
  std::size_t size_bytes = 64, bulk_bytes = 0;
  std::int64_t count = 0, interval_us = 0, seconds_max = 0;
};

class Caller {
 public:
  Caller(EngineNode& node, const CallSettings& settings) : node_(node), settings_(settings) {}

  int run() {
    node_.run([this](const core::MessageArrived& reply, Instant at) { on_reply(reply, at); },
              [this](Instant at) { return on_turn(at); });
    std::printf("engine_calls size %zu gap %.0f bulk_bytes %llu link_losses %llu", settings_.size_bytes, gap_us_,
                static_cast<unsigned long long>(bulk_bytes_),
                static_cast<unsigned long long>(node_.statistics().paths_down));
    print_times(times_us_);
    std::printf("\n");
    return 0;
  }

 private:
  void on_reply(const core::MessageArrived& reply, Instant at) {
    if (reply.connection != calls_) {
      bulk_bytes_ += settings_.bulk_bytes;
      return node_.send(bulk_, make_request(settings_.bulk_bytes, kReceiptBytes), at);
    }
    const double now = now_us();
    is_waiting_ = false;
    if (++answered_ > kWarmUp) {
      times_us_.push_back(now - sent_us_);
      gap_us_ = std::max(gap_us_, now - replied_us_);
    }
    replied_us_ = now;
    if (answered_ == kWarmUp) tell_started();
    if (answered_ >= kWarmUp + settings_.count || at >= ends_) node_.stop();
  }

  std::optional<Instant> on_turn(Instant at) {
    if (!node_.is_up() && calls_.is_none()) return std::nullopt;
    if (calls_.is_none()) begin(at);
    if (is_waiting_) return std::nullopt;
    if (at < next_at_) return next_at_;
    is_waiting_ = true;
    next_at_ = after(at, settings_.interval_us);
    sent_us_ = now_us();
    node_.send(calls_, make_request(settings_.size_bytes, settings_.size_bytes), at);
    return std::nullopt;
  }

  void begin(Instant at) {
    calls_ = node_.connect(settings_.policy, settings_.link, at);
    ends_ = at + std::chrono::seconds(settings_.seconds_max);
    times_us_.reserve(static_cast<std::size_t>(settings_.count));
    if (settings_.bulk_bytes == 0) return;
    bulk_ = node_.connect("", "", at);
    for (std::size_t i = 0; i < kBulkDepth; ++i) {
      node_.send(bulk_, make_request(settings_.bulk_bytes, kReceiptBytes), at);
    }
  }

  EngineNode& node_;
  const CallSettings settings_;
  ConnectionId calls_, bulk_;
  bool is_waiting_ = false;
  Instant next_at_{}, ends_{};
  double sent_us_ = 0, replied_us_ = 0, gap_us_ = 0;
  std::int64_t answered_ = 0;
  std::uint64_t bulk_bytes_ = 0;
  std::vector<double> times_us_;
};

int pend(EngineNode& node) {
  ConnectionId connection;
  const Instant until = agent::now() + kPendMax;
  const auto on_turn = [&](Instant at) -> std::optional<Instant> {
    if (connection.is_none() && node.is_up()) {
      connection = node.connect("", "", at);
      node.send(connection, make_request(kSizeMin, kNeverAnswered), at);
      tell_started();
    }
    if (node.lost_at()) node.stop();
    if (at >= until) give_up("engine_calls: the pending call did not fail");
    return until;
  };
  node.run([](const core::MessageArrived&, Instant) {}, on_turn);
  std::printf("engine_pend failed_at %.0f\n", to_us(*node.lost_at()));
  return 0;
}

struct StreamSettings {
  std::string policy, link;
  std::size_t size_bytes = 0, depth = 0;
  std::int64_t seconds = 0, slice_ms = 0;
};

class Stream {
 public:
  Stream(EngineNode& node, const StreamSettings& settings) : node_(node), settings_(settings) {}

  int run() {
    node_.run([this](const core::MessageArrived&, Instant at) { on_reply(at); },
              [this](Instant at) { return on_turn(at); });
    for (const Slice& slice : slices_) {
      std::printf("slice %.0f %llu\n", to_us(slice.end), static_cast<unsigned long long>(slice.bytes));
    }
    const double seconds = std::chrono::duration<double>(ended_ - began_).count();
    std::printf(
        "engine_stream size %zu depth %zu mbit_per_s %.2f gbit_per_s %.3f retransmitted %llu link_losses %llu\n",
        settings_.size_bytes, settings_.depth, static_cast<double>(bytes_) * 8e-6 / seconds,
        static_cast<double>(bytes_) * 8e-9 / seconds,
        static_cast<unsigned long long>(node_.statistics().frames_retransmitted),
        static_cast<unsigned long long>(node_.statistics().paths_down));
    return 0;
  }

 private:
  struct Slice {
    Instant end;
    std::uint64_t bytes = 0;
  };

  void on_reply(Instant at) {
    if (at < ends_) node_.send(connection_, make_request(settings_.size_bytes, kReceiptBytes), at);
    if (at < began_) return;  // the slow start is not part of it
    bytes_ += settings_.size_bytes;
    if (!slices_.empty()) slices_.back().bytes += settings_.size_bytes;
    ended_ = at;
  }

  std::optional<Instant> on_turn(Instant at) {
    if (connection_.is_none()) {
      if (!node_.is_up()) return std::nullopt;
      begin(at);
    }
    if (at >= ends_) {
      node_.stop();
      return std::nullopt;
    }
    if (settings_.slice_ms == 0) return ends_;
    if (at < began_) return began_;
    while (slices_.empty() || slices_.back().end <= at) {
      const Instant from = slices_.empty() ? at : slices_.back().end;
      slices_.push_back({from + std::chrono::milliseconds(settings_.slice_ms)});
    }
    return std::min(ends_, slices_.back().end);
  }

  void begin(Instant at) {
    connection_ = node_.connect(settings_.policy, settings_.link, at);
    began_ = ended_ = at + std::chrono::milliseconds(500);
    ends_ = began_ + std::chrono::seconds(settings_.seconds);
    for (std::size_t i = 0; i < settings_.depth; ++i) {
      node_.send(connection_, make_request(settings_.size_bytes, kReceiptBytes), at);
    }
    tell_started();
  }

  EngineNode& node_;
  const StreamSettings settings_;
  ConnectionId connection_;
  Instant began_{}, ended_{}, ends_{};
  std::uint64_t bytes_ = 0;
  std::deque<Slice> slices_;
};

int run(int count, char** words) {
  const std::string role = count > 1 ? words[1] : "";
  if (role != "serve" && role != "call" && role != "stream" && role != "pend") {
    give_up("usage: engine_calls serve|call|pend|stream …, see the head of engine_calls.cpp");
  }
  Options options(count, words, 2);
  EngineNode::Settings settings;
  settings.name = role == "serve" ? "b" : "a";
  settings.peer_name = role == "serve" ? "a" : "b";
  settings.own = split(options.required("own"));
  settings.peer = split(options.required("peer"));
  settings.busy_wait = std::chrono::microseconds(options.number("busy-wait", 100, 0, 1000000));
  const std::string policy = options.text("policy", ""), link = options.text("link", "");
  const auto size_bytes =
      static_cast<std::size_t>(options.number("size", role == "stream" ? kSizeMax : 64, kSizeMin, kSizeMax));
  if (role == "call") {
    const CallSettings calls{.policy = policy,
                             .link = link,
                             .size_bytes = size_bytes,
                             .bulk_bytes = static_cast<std::size_t>(options.number("bulk", 0, 0, kSizeMax)),
                             .count = options.number("count", 20000, 1, 100000000),
                             .interval_us = options.number("interval", 0, 0, 1000000),
                             .seconds_max = options.number("seconds", 3600, 1, 3600)};
    options.finish();
    EngineNode node(settings);
    return Caller(node, calls).run();
  }
  if (role == "stream") {
    const StreamSettings stream{.policy = policy,
                                .link = link,
                                .size_bytes = size_bytes,
                                .depth = static_cast<std::size_t>(options.number("depth", 4, 1, 64)),
                                .seconds = options.number("seconds", 2, 1, 3600),
                                .slice_ms = options.number("slice", 0, 0, 10000)};
    options.finish();
    EngineNode node(settings);
    return Stream(node, stream).run();
  }
  options.finish();
  EngineNode node(settings);
  return role == "pend" ? pend(node) : serve(node);
}

}  // namespace
}  // namespace qnet::bench

int main(int count, char** words) {
  return qnet::bench::run(count, words);
}
