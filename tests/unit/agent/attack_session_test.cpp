// SPDX-License-Identifier: Apache-2.0
//
// While a file is copied: datagrams and local connections that keep no rule. The copy is right, nothing is executed
// twice, a counter tells, and the agents are as before.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "tests/unit/agent/agent_pair.hpp"
#include "tests/unit/agent/loopback_tap.hpp"
#include "transport/wire/control.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::test {
namespace {

using namespace std::chrono_literals;
using wire::Opcode;

class AttackSessionTest : public AgentPair {
 protected:
  static constexpr std::size_t kBlocks = 40;
  static constexpr std::size_t kBlockBytes = 50'000;

  std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    return bytes;
  }

  /// Appends blocks to a file on b through a and reads each back, with `attack` before every call. What was written
  /// must be in the file, once.
  void copy_during(const std::function<void()>& attack) {
    RawClient copier = client();
    std::uint64_t handle = 0;
    UniqueFd fd = open(copier, directory_ / "copy", O_RDWR | O_CREAT | O_APPEND, handle);
    std::string all;
    for (std::size_t i = 0; i < kBlocks; ++i) {
      const std::string block = random_bytes(kBlockBytes);
      attack();
      const Answer written = copier.call(Opcode::kWrite, "b", wire::WriteRequest{.data = {as_bytes(block)}}, handle);
      ASSERT_EQ(written.code(), 0) << "block " << i;
      attack();
      const wire::ReadRequest request{.offset_bytes = static_cast<std::int64_t>(all.size()),
                                      .length_bytes = kBlockBytes};
      const Answer read = copier.call(Opcode::kRead, "b", request, handle);
      ASSERT_EQ(read.code(), 0) << "block " << i;
      ASSERT_TRUE(read.body == block) << "block " << i;
      all += block;
    }
    std::ifstream file(directory_ / "copy");
    const std::string content(std::istreambuf_iterator<char>(file), {});
    EXPECT_TRUE(content == all) << content.size() << " bytes instead of " << all.size();
    fd.reset();
    expect_counter("b", "executor", "handles_open", 0);
  }

  static std::size_t descriptors_of(const AgentProcess& agent) {
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(agent.process()) + "/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
  /// The agent closes what was given up as it comes to it.
  static void expect_descriptors(const AgentProcess& agent, std::size_t wanted) {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (descriptors_of(agent) > wanted && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_LE(descriptors_of(agent), wanted);
  }

  std::uint16_t port(int node) const { return static_cast<std::uint16_t>(ports_[node]); }

  std::mt19937_64 random_{20261122};
};

/// A socket that is not one of a peer.
class Stranger {
 public:
  void send(std::uint16_t port, std::string_view bytes) const {
    sockaddr_in target{};
    target.sin_family = AF_INET;
    target.sin_port = htons(port);
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    static_cast<void>(sendto(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&target), sizeof target));
  }

 private:
  UniqueFd socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST_F(AttackSessionTest, DatagramsOfStrangersAreCountedAndDropped) {
  const std::size_t before = descriptors_of(*b_);
  const Stranger stranger;
  const std::uint64_t malformed = counter("b", "engine", "datagrams_malformed");
  const std::uint64_t unknown = counter("b", "engine", "datagrams_unknown");
  copy_during([&] {
    for (int i = 0; i < 10; ++i) {
      std::string bytes = random_bytes(random_() % 1500);
      stranger.send(port(i % 2), bytes);
      if (bytes.size() < wire::PacketHeader::kBytes) continue;
      // A header that is one, on anything.
      wire::PacketHeader header{.session = static_cast<std::uint32_t>(random_()), .number = 1 + random_() % 100};
      header.type = static_cast<wire::PacketType>(1 + random_() % 7);
      header.payload_bytes = static_cast<std::uint16_t>(bytes.size() - wire::PacketHeader::kBytes);
      wire::encode_header(header, as_writable_bytes(bytes.data(), bytes.size()));
      stranger.send(port(i % 2), bytes);
    }
    stranger.send(port(1), random_bytes(65'507));
    stranger.send(port(1), "");
  });
  EXPECT_GT(counter("b", "engine", "datagrams_malformed"), malformed);
  EXPECT_GT(counter("b", "engine", "datagrams_unknown"), unknown);
  EXPECT_EQ(counter("b", "engine", "sessions_lost"), 0u);
  expect_descriptors(*b_, before);
}

TEST_F(AttackSessionTest, WhatAPeerHasSaidMayBeSaidAgainCutOffLongerOrChanged) {
  std::optional<LoopbackTap> tap = LoopbackTap::open(port(0), port(1));
  if (!tap) GTEST_SKIP() << "needs root, to hear and to forge datagrams";
  std::vector<HeardDatagram> heard;
  std::uint64_t forged = 0;
  copy_during([&] {
    const std::vector<HeardDatagram> fresh = tap->take();
    heard.insert(heard.end(), fresh.begin(), fresh.end());
    for (int i = 0; i < 20 && !heard.empty(); ++i) {
      const HeardDatagram& old = heard[random_() % heard.size()];
      std::string bytes = old.bytes;
      switch (random_() % 4) {
        case 0:  // as it was
          break;
        case 1:  // cut off
          bytes.resize(random_() % (bytes.size() + 1));
          break;
        case 2:  // longer
          bytes += random_bytes(random_() % 2000);
          break;
        default: {  // a packet number that was used, or that nobody can have reached
          const Result<wire::PacketHeader> header = wire::decode_header(as_bytes(bytes));
          if (!header) break;
          wire::PacketHeader changed = *header;
          changed.number = random_() % 2 == 0 ? 1 + random_() % changed.number : changed.number + (1ull << 40);
          wire::encode_header(changed, as_writable_bytes(bytes.data(), bytes.size()));
        }
      }
      bytes.resize(std::min<std::size_t>(bytes.size(), 65'507));
      tap->send(old.from, old.to, bytes);
      ++forged;
    }
  });
  EXPECT_GT(forged, 500u);
  EXPECT_GT(counter("b", "engine", "frames_duplicate"), 0u);
  EXPECT_GT(counter("b", "engine", "datagrams_malformed"), 0u);
  EXPECT_EQ(counter("a", "engine", "sessions_lost") + counter("b", "engine", "sessions_lost"), 0u);
}

TEST_F(AttackSessionTest, AGreetingOfAnotherLifeEndsNoSession) {
  std::optional<LoopbackTap> tap = LoopbackTap::open(port(0), port(1));
  if (!tap) GTEST_SKIP() << "needs root, to hear and to forge datagrams";
  const auto hello_of = [this](bool is_newer, bool is_answer) {
    wire::Hello hello{.version_lowest = 1, .version_highest = 1, .name = "a"};
    hello.node.bytes[0] = std::byte{9};
    hello.own = {is_newer ? ~0ull : 1, static_cast<std::uint32_t>(random_() % 3)};
    hello.nonce = random_();
    hello.connection_credit_bytes = hello.session_credit_bytes = 1;
    std::string bytes(wire::PacketHeader::kBytes + 200, '\0');
    const MutableBytes room = as_writable_bytes(bytes.data(), bytes.size());
    const ByteView body = *wire::encode(hello, room.subspan(wire::PacketHeader::kBytes));
    wire::encode_header({.type = is_answer ? wire::PacketType::kHelloAck : wire::PacketType::kHello,
                         .payload_bytes = static_cast<std::uint16_t>(body.size())},
                        room);
    bytes.resize(wire::PacketHeader::kBytes + body.size());
    return bytes;
  };
  copy_during([&] {
    for (int i = 0; i < 8; ++i) tap->send(port(0), port(1), hello_of(i % 2 == 0, i % 4 < 2));
  });
  EXPECT_EQ(counter("a", "engine", "sessions_lost") + counter("b", "engine", "sessions_lost"), 0u);
}

TEST_F(AttackSessionTest, LocalConnectionsThatSayNothingHalfOrNonsenseDisturbNobody) {
  constexpr std::size_t kSilent = 1500;
  ASSERT_EQ(client().call(Opcode::kListNodes, "", wire::Empty{}).code(), 0);
  const std::size_t before = descriptors_of(*a_) + 1;  // One connection may be on its way out.
  {
    std::vector<RawClient> open_ones;
    copy_during([&] {
      if (open_ones.size() < kSilent) {
        for (int i = 0; i < 20; ++i) open_ones.push_back(client());
        const std::string whole = open_ones.back().envelope(Opcode::kWrite, "b", 1 << 20);
        open_ones.back().send_bytes(whole.substr(0, random_() % whole.size()));
      }
      RawClient nonsense = client();
      nonsense.send_bytes(random_bytes(1 + random_() % 3000), nonsense.descriptor());
      RawClient pipelined = client();
      pipelined.send_bytes(pipelined.envelope(Opcode::kListNodes, "", 0) + random_bytes(random_() % 100),
                           pipelined.descriptor());
      RawClient too_long = client();
      too_long.send_bytes(too_long.envelope(Opcode::kWrite, "b", 0xfffffff0u));
    });
    EXPECT_GE(open_ones.size(), kSilent);
    EXPECT_GT(counter("a", "local_connections", "cut_off"), kBlocks);
  }
  expect_descriptors(*a_, before);
}

}  // namespace
}  // namespace qnet::test
