// SPDX-License-Identifier: Apache-2.0
#include "agent/event_log.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "transport/wire/agent_ops.hpp"

namespace qnet::agent {
namespace {

/// Local connections that ask for nothing but events.
class EventLogTest : public ::testing::Test, public SessionHost {
 protected:
  struct Reader {
    UniqueFd end;
    std::unique_ptr<LocalSession> session;
  };

  EventLogTest() { peers_.add("b", PeerId{0}); }
  Reader connect() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    Reader reader{UniqueFd(ends[0]), {}};
    reader.session =
        std::make_unique<LocalSession>(reactor_, *this, limits_, UniqueFd(ends[1]), wire::Caller(), has_closed_);
    EXPECT_TRUE(reader.session->start().has_value());
    return reader;
  }
  void ask(Reader& reader, std::uint64_t after) {
    std::array<std::byte, wire::RequestHeader::kBytes + 10> bytes{};
    wire::Writer out(bytes);
    wire::put_field(
        out, wire::RequestHeader{.size_bytes = 10, .opcode = static_cast<std::uint16_t>(wire::Opcode::kNextEvents)});
    out.put(std::string_view());
    out.put(after);
    ASSERT_EQ(send(reader.end.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    reader.session->on_ready(EPOLLIN);
  }
  /// Numbers of the events in the answer; none: no answer has come.
  std::vector<std::uint64_t> answered(const Reader& reader) {
    std::vector<std::byte> bytes(1 << 20);
    const ssize_t count = recv(reader.end.get(), bytes.data(), bytes.size(), 0);
    if (count < static_cast<ssize_t>(wire::ReplyHeader::kBytes)) return {};
    std::vector<std::uint64_t> numbers;
    wire::Reader in(ByteView(bytes).first(static_cast<std::size_t>(count)).subspan(wire::ReplyHeader::kBytes));
    while (!in.rest().empty()) {
      wire::EventEntry entry;
      wire::get_field(in, entry);
      EXPECT_FALSE(in.has_failed());
      EXPECT_EQ(entry.peer, "b");
      numbers.push_back(entry.number);
    }
    return numbers;
  }
  void happen(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) log_.note(core::PeerUp{PeerId{0}, Incarnation{1}});
  }

  void on_request(LocalSession& session, LocalRequest request) override {
    const auto next = wire::decode<wire::NextEventsRequest>(request.body.view());
    ASSERT_TRUE(next.has_value());
    log_.give(session, next->after);
  }
  void on_cancel(LocalSession&, std::uint64_t) override {}
  void on_pipelined() override {}
  void on_closed(LocalSession& session) override { log_.forget(session); }

  boost::asio::io_context io_;
  Reactor reactor_{io_};
  core::Engine engine_{{.id = {}, .name = "a", .incarnation = Incarnation{1}}, {}, [] { return 1; }};
  PeerTable peers_{"a", Incarnation{1}};
  LinkPump pump_{reactor_, engine_};
  CallerLimits limits_{{}};
  bool has_closed_ = false;
  EventLog log_{peers_, pump_};
};

TEST_F(EventLogTest, EveryReaderIsToldWhatIsBehindItsNumberAndWaitsForTheRest) {
  happen(3);
  Reader first = connect();
  Reader second = connect();
  Reader third = connect();
  ask(first, 0);
  EXPECT_EQ(answered(first), (std::vector<std::uint64_t>{1, 2, 3}));
  ask(first, 3);
  ask(second, wire::kEventsFromNow);
  ask(third, 1);
  EXPECT_EQ(answered(third), (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(log_.waiting(), 2u);
  EXPECT_TRUE(answered(first).empty());
  happen(1);
  EXPECT_EQ(answered(first), std::vector<std::uint64_t>{4});
  EXPECT_EQ(answered(second), std::vector<std::uint64_t>{4});
  EXPECT_EQ(log_.waiting(), 0u);
}

TEST_F(EventLogTest, ASlowReaderFindsAHoleAndThenEverythingThatIsKept) {
  happen(EventLog::kEventsMax + 10);
  Reader reader = connect();
  std::uint64_t after = 2;
  ask(reader, after);
  std::vector<std::uint64_t> numbers = answered(reader);
  ASSERT_EQ(numbers.size(), EventLog::kEventsPerReply);
  EXPECT_EQ(numbers.front(), 11u) << "the oldest ten are gone";
  for (after = numbers.back(); after < log_.noted(); after = numbers.back()) {
    ask(reader, after);
    numbers = answered(reader);
    ASSERT_FALSE(numbers.empty());
    EXPECT_EQ(numbers.front(), after + 1);
  }
  EXPECT_EQ(after, EventLog::kEventsMax + 10);
}

TEST_F(EventLogTest, WhoHangsUpIsForgotten) {
  Reader reader = connect();
  ask(reader, 0);
  EXPECT_EQ(log_.waiting(), 1u);
  reader.end.reset();
  reader.session->on_ready(EPOLLIN | EPOLLHUP);
  EXPECT_EQ(log_.waiting(), 0u);
  happen(1);
}

}  // namespace
}  // namespace qnet::agent
