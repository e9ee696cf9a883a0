// SPDX-License-Identifier: Apache-2.0
#include "agent/completion_queue.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace qnet::agent {
namespace {

/// Every completion of four threads arrives once, although the strand sleeps whenever it can.
TEST(CompletionQueueTest, LosesNothingBetweenLookingAndSleeping) {
  constexpr std::uint64_t kThreads = 4, kEach = 2000;
  boost::asio::io_context io;
  Reactor reactor(io);
  CompletionQueue queue(reactor);
  std::vector<CompletionQueue::Completion> taken;
  std::uint64_t sum = 0, count = 0;
  reactor.start([&]() -> std::optional<Instant> {
    while (queue.take(taken)) {
      for (const auto& completion : taken) {
        sum += completion.token;
        ++count;
      }
      taken.clear();
    }
    if (count == kThreads * kEach) {
      reactor.stop();
      io.stop();
      return std::nullopt;
    }
    if (!queue.may_sleep()) return now();
    return std::nullopt;  // A lost wake-up would hang here, and the test run with it.
  });
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&queue] {
      for (std::uint64_t i = 1; i <= kEach; ++i) queue.push(i, {});
    });
  }
  io.run();
  EXPECT_EQ(count, kThreads * kEach);
  EXPECT_EQ(sum, kThreads * kEach * (kEach + 1) / 2);
}

TEST(ReactorTest, KeepsDeadlinesWithoutAnyEvent) {
  boost::asio::io_context io;
  Reactor reactor(io);
  const Instant due = now() + std::chrono::milliseconds(30);
  Instant seen{};
  reactor.start([&]() -> std::optional<Instant> {
    if (now() < due) return due;
    seen = now();
    reactor.stop();
    io.stop();
    return std::nullopt;
  });
  io.run();
  EXPECT_GE(seen, due);
}

}  // namespace
}  // namespace qnet::agent
