// SPDX-License-Identifier: Apache-2.0
#include "agent/client/client.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/client/scripted_agent.hpp"

namespace qnet::client {
namespace {

using wire::Opcode;

class ClientTest : public WithAgentSocket {
 protected:
  /// Asks for a Seek on handle 7, whose reply says the offset.
  Result<wire::SeekReply> seek(CallOptions options = {}) {
    SmallExchange exchange;
    return call<wire::SeekReply>(Opcode::kSeek, Place{"b", HandleId{7}, {}}, wire::SeekRequest{5, SEEK_SET}, exchange,
                                 options);
  }
  static ScriptedReply offset(std::int64_t value) {
    std::string body(8, '\0');
    static_cast<void>(wire::encode(wire::SeekReply{value}, as_writable_bytes(body.data(), body.size())));
    return {.body = body};
  }
};

TEST_F(ClientTest, CarriesARequestAndItsReply) {
  ScriptedRequest seen;
  ScriptedAgent agent(path_, [&](const ScriptedRequest& request) {
    seen = request;
    return offset(42);
  });
  const auto reply = seek();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->offset, 42);
  agent.settle();
  EXPECT_EQ(seen.target, "b");
  EXPECT_EQ(seen.header.handle, 7U);
  EXPECT_EQ(seen.header.opcode, static_cast<std::uint16_t>(Opcode::kSeek));
  EXPECT_EQ(wire::decode<wire::SeekRequest>(as_bytes(seen.body))->offset, 5);
}

TEST_F(ClientTest, KeepsTheConnectionForTheNextCall) {
  ScriptedAgent agent(path_, [](const ScriptedRequest&) { return offset(1); });
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(seek());
  EXPECT_EQ(agent.connections(), 1);
}

TEST_F(ClientTest, GathersAndScattersData) {
  const std::string text(300'000, 'x');
  std::string written;
  ScriptedAgent agent(path_, [&](const ScriptedRequest& request) {
    if (request.header.opcode == static_cast<std::uint16_t>(Opcode::kRead)) return ScriptedReply{.body = text};
    written = request.body.substr(9);  // Behind offset and may_block.
    return ScriptedReply{.body = std::string("\x10\x27\0\0", 4)};
  });
  SmallExchange exchange;
  std::string first(5'000, 'a'), second(5'000, 'b');
  const iovec out[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  CallOptions options;
  options.data_out = out;
  const auto put =
      call<wire::WriteReply>(Opcode::kWrite, Place{"b", HandleId{7}, {}}, wire::WriteRequest{}, exchange, options);
  ASSERT_TRUE(put.has_value());
  EXPECT_EQ(put->written_bytes, 10'000U);
  agent.settle();
  EXPECT_EQ(written, first + second);

  std::string head(100, ' '), tail(400'000, ' ');
  const iovec in[] = {{head.data(), head.size()}, {tail.data(), tail.size()}};
  CallOptions reading;
  reading.data_in = in;
  const Result<ByteView> body = wire::encode(wire::ReadRequest{-1, 400'100, 1}, exchange.request);
  ASSERT_TRUE(call_raw(Opcode::kRead, Place{"b", HandleId{7}, {}}, *body, exchange, reading).has_value());
  EXPECT_EQ(reading.received_bytes, text.size());
  EXPECT_EQ(head, text.substr(0, 100));
  EXPECT_EQ(tail.substr(0, text.size() - 100), text.substr(100));
  EXPECT_EQ(tail[text.size() - 100], ' ');
}

TEST_F(ClientTest, PassesADescriptorOn) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ScriptedAgent agent(path_, [&](const ScriptedRequest&) { return ScriptedReply{.fd = ends[0]}; });
  for (const bool close_on_exec : {true, false}) {
    SmallExchange exchange;
    CallOptions options;
    options.close_on_exec = close_on_exec;
    ASSERT_TRUE(call<wire::Empty>(Opcode::kOpen, Place{"b", {}, {}}, wire::Empty{}, exchange, options).has_value());
    EXPECT_GE(exchange.received_fd, 0);
    EXPECT_LT(exchange.received_fd, 1000) << "the program's, not ours";
    EXPECT_EQ((::fcntl(exchange.received_fd, F_GETFD) & FD_CLOEXEC) != 0, close_on_exec);
    ::close(exchange.received_fd);
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(ClientTest, SaysEnonetWithoutAnAgent) {
  EXPECT_EQ(seek().error().code, ENONET);
}

TEST_F(ClientTest, TranslatesErrors) {
  ScriptedAgent agent(path_,
                      [](const ScriptedRequest&) { return ScriptedReply{.error = wire::errno_to_wire(EACCES)}; });
  EXPECT_EQ(seek().error().code, EACCES);
}

TEST_F(ClientTest, ReopensAConnectionThatDiedWhileIdle) {
  {
    ScriptedAgent first(path_, [](const ScriptedRequest&) { return offset(1); });
    ASSERT_TRUE(seek());
  }
  ScriptedAgent second(path_, [](const ScriptedRequest&) { return offset(2); });
  const auto reply = seek();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->offset, 2);
  EXPECT_EQ(second.requests(), 1);
}

TEST_F(ClientTest, NeverRepeatsARequestThatMayHaveBeenExecuted) {
  int asked = 0;
  ScriptedAgent agent(path_, [&](const ScriptedRequest&) {
    ScriptedReply reply = offset(1);
    reply.is_silent = reply.hangs_up = ++asked == 2;
    return reply;
  });
  ASSERT_TRUE(seek());
  EXPECT_EQ(seek().error().code, ENONET);
  EXPECT_EQ(agent.requests(), 2);
}

TEST_F(ClientTest, RefusesAReplyToSomethingElse) {
  ScriptedAgent agent(path_, [](const ScriptedRequest&) {
    ScriptedReply reply = offset(1);
    reply.request = 999;
    return reply;
  });
  EXPECT_EQ(seek().error().code, EIO);
}

TEST_F(ClientTest, RefusesAReplyThatIsTooLong) {
  ScriptedAgent agent(path_, [](const ScriptedRequest&) { return ScriptedReply{.body = std::string(100'000, 'x')}; });
  EXPECT_EQ(seek().error().code, EIO);
}

TEST_F(ClientTest, ProvesAHandleOncePerConnection) {
  bool is_proven = false;
  ino_t shown = 0;
  ScriptedAgent agent(path_, [&](const ScriptedRequest& request) {
    if (request.header.opcode == static_cast<std::uint16_t>(Opcode::kAdoptHandle)) {
      struct stat status {};
      is_proven = request.header.handle == 7 && ::fstat(request.fd, &status) == 0;
      shown = status.st_ino;
      return ScriptedReply{};
    }
    return is_proven ? offset(3) : ScriptedReply{.error = wire::kErrorProveHandle};
  });
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  struct stat status {};
  ASSERT_EQ(::fstat(ends[0], &status), 0);
  CallOptions options;
  options.prove_fd = ends[0];
  ASSERT_TRUE(seek(options));
  agent.settle();
  EXPECT_EQ(shown, status.st_ino);
  ASSERT_TRUE(seek(options));
  EXPECT_EQ(agent.requests(), 4);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(ClientTest, TellsWhereAPathLeads) {
  ScriptedAgent agent(path_, [](const ScriptedRequest&) {
    std::string body(64, '\0');
    const auto used =
        wire::encode(wire::RedirectReply{.which = 1, .path = "/c/etc"}, as_writable_bytes(body.data(), body.size()));
    body.resize(used->size());
    return ScriptedReply{.error = wire::kErrorRedirect, .body = body};
  });
  SmallExchange exchange;
  CallOptions options;
  const auto reply = call<wire::Empty>(Opcode::kUnlink, Place{"b", {}, {}}, wire::Empty{}, exchange, options);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, kRedirected);
  EXPECT_EQ(exchange.redirect.path, "/c/etc");
  EXPECT_EQ(exchange.redirect.which, 1);
}

std::atomic<int> handled = 0;
void count_signal(int) {
  ++handled;
}

#ifdef __SANITIZE_THREAD__
constexpr bool kIsThreadSanitizer = true;
#else
constexpr bool kIsThreadSanitizer = false;
#endif
constexpr const char* kNoSignals = "the thread sanitizer runs no signal handler during a raw system call";

/// Installs a handler for SIGUSR1 as long as it lives.
class Handler {
 public:
  explicit Handler(int flags) {
    struct sigaction action {};
    action.sa_handler = count_signal;
    action.sa_flags = flags;
    ::sigaction(SIGUSR1, &action, &former_);
  }
  ~Handler() { ::sigaction(SIGUSR1, &former_, nullptr); }

 private:
  struct sigaction former_ {};
};

Result<wire::PollReply> poll_remote() {
  SmallExchange exchange;
  CallOptions options;
  return call<wire::PollReply>(Opcode::kPoll, Place{"b", HandleId{7}, {}}, wire::PollRequest{1, -1}, exchange, options);
}

TEST_F(ClientTest, CancelsALongWaitWhenASignalHandlerWantsIt) {
  if (kIsThreadSanitizer) GTEST_SKIP() << kNoSignals;
  const Handler handler(0);
  std::uint64_t waiting = 0, cancelled = 0;
  std::atomic<bool> is_over = false;
  std::thread signaller;
  const pthread_t caller = ::pthread_self();
  ScriptedAgent agent(path_, [&](const ScriptedRequest& request) {
    if (request.header.opcode == static_cast<std::uint16_t>(Opcode::kPoll)) {
      waiting = request.header.request;
      // Again and again: the first ones may come before the caller waits.
      signaller = std::thread([&] {
        for (int i = 0; i < 5'000 && !is_over; ++i) {
          ::pthread_kill(caller, SIGUSR1);
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      });
      return ScriptedReply{.is_silent = true};
    }
    cancelled = wire::decode<wire::CancelRequest>(as_bytes(request.body))->request;
    return ScriptedReply{
        .error = wire::errno_to_wire(EINTR), .request = cancelled, .opcode = static_cast<std::uint16_t>(Opcode::kPoll)};
  });
  const auto reply = poll_remote();
  is_over = true;
  signaller.join();
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, EINTR);
  EXPECT_EQ(cancelled, waiting);
  EXPECT_EQ(agent.requests(), 2) << "one Cancel, however many signals";
}

TEST_F(ClientTest, GoesOnWaitingAfterARestartingHandler) {
  if (kIsThreadSanitizer) GTEST_SKIP() << kNoSignals;
  const Handler handler(SA_RESTART);
  const pthread_t caller = ::pthread_self();
  ScriptedAgent agent(path_, [&](const ScriptedRequest&) {
    for (int i = 0; i < 20; ++i) {
      const int before = handled;
      ::pthread_kill(caller, SIGUSR1);
      while (handled == before) std::this_thread::yield();
    }
    return ScriptedReply{.body = std::string("\1\0\0\0", 4)};
  });
  const auto reply = poll_remote();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->events, 1U);
  EXPECT_EQ(agent.requests(), 1);
}

TEST_F(ClientTest, GivesAForkedChildItsOwnConnection) {
  ScriptedAgent agent(path_, [](const ScriptedRequest& request) { return offset(request.connection); });
  ASSERT_EQ(seek()->offset, 1);
  const pid_t child = ::fork();
  if (child == 0) {
    after_fork();
    const auto reply = seek();
    ::_exit(reply ? static_cast<int>(reply->offset) : 100);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 2);
  EXPECT_EQ(seek()->offset, 1);
}

TEST_F(ClientTest, GivesAChildThatNobodyAnnouncedAConnectionForEachCall) {
  ScriptedAgent agent(path_, [](const ScriptedRequest& request) { return offset(request.connection); });
  ASSERT_EQ(seek()->offset, 1);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_right = seek()->offset == 2 && seek()->offset == 3;
    ::_exit(is_right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(seek()->offset, 1);
}

TEST_F(ClientTest, ProvesANewIdentityWithANewConnection) {
  ScriptedAgent agent(path_, [](const ScriptedRequest& request) { return offset(request.connection); });
  ASSERT_EQ(seek()->offset, 1);
  forget_identity();
  EXPECT_EQ(seek()->offset, 2);
}

TEST_F(ClientTest, KeepsItsDescriptorsOutOfTheWay) {
  ScriptedAgent agent(path_, [](const ScriptedRequest& request) { return offset(request.connection); });
  ASSERT_TRUE(seek());
  const unsigned own = next_own_descriptor(0);
  ASSERT_LT(own, 1'000'000U);
  EXPECT_GE(own, 1000U);
  EXPECT_TRUE(owns_descriptor(static_cast<int>(own)));
  EXPECT_FALSE(owns_descriptor(0));

  vacate(static_cast<int>(own));
  EXPECT_FALSE(owns_descriptor(static_cast<int>(own)));
  EXPECT_EQ(::fcntl(static_cast<int>(own), F_GETFD), -1);
  EXPECT_EQ(seek()->offset, 1) << "moved, not opened anew";
}

TEST_F(ClientTest, NoticesAnotherAgent) {
  const unsigned before = agent_epoch();
  ScriptedAgent agent(path_, [](const ScriptedRequest&) { return offset(1); });
  const auto identity = agent_identity();
  ASSERT_TRUE(identity.has_value());
  EXPECT_EQ(identity->process, ::getpid());
  EXPECT_EQ(identity->user, ::getuid());
  EXPECT_GE(agent_epoch(), before);
  EXPECT_NE(agent_epoch(), 0U);
}

TEST_F(ClientTest, ServesManyThreadsAtOnce) {
  ScriptedAgent agent(path_, [](const ScriptedRequest& request) {
    return offset(static_cast<std::int64_t>(request.header.second_handle));
  });
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t number = 1; number <= 100; ++number) {  // More than there are slots.
    threads.emplace_back([&, number] {
      for (int i = 0; i < 20; ++i) {
        CallOptions options;
        options.second_handle = HandleId{number};
        const auto reply = seek(options);
        if (!reply || reply->offset != static_cast<std::int64_t>(number)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace qnet::client
