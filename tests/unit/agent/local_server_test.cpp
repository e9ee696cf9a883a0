// SPDX-License-Identifier: Apache-2.0
#include "agent/local_server.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/unit/agent/temporary_directory.hpp"

namespace qnet::agent {
namespace {

/// A socket at `path` that nobody answers on, or that somebody does while the descriptor lives.
UniqueFd make_socket(const std::string& path, bool answers) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(answers ? listen(fd.get(), 1) : 0, 0);
  return fd;
}

TEST(SocketLockTest, TakesOverASocketThatNobodyAnswersOn) {
  const test::TemporaryDirectory directory;
  make_socket(directory / "s", false);
  EXPECT_TRUE(SocketLock::take(directory / "s").has_value());
  EXPECT_FALSE(std::filesystem::exists(directory / "s"));
  EXPECT_FALSE(std::filesystem::exists(directory / "s.lock"));
}

TEST(SocketLockTest, RefusesWhileAnotherAgentHasIt) {
  const test::TemporaryDirectory directory;
  const Result<SocketLock> first = SocketLock::take(directory / "s");
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(SocketLock::take(directory / "s").error().code, EADDRINUSE);
}

TEST(SocketLockTest, RefusesWhileSomebodyAnswersEvenWithoutALock) {
  const test::TemporaryDirectory directory;
  const UniqueFd other = make_socket(directory / "s", true);
  EXPECT_EQ(SocketLock::take(directory / "s").error().code, EADDRINUSE);
  EXPECT_TRUE(std::filesystem::exists(directory / "s"));
}

TEST(SocketLockTest, RemovesNothingThatIsNotASocket) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "s") << "precious";
  EXPECT_EQ(SocketLock::take(directory / "s").error().code, EEXIST);
  EXPECT_EQ(std::filesystem::file_size(directory / "s"), 8u);
}

class NoHost final : public SessionHost {
 public:
  void on_request(LocalSession& session, LocalRequest) override { session.reply({}); }
  void on_cancel(LocalSession&, std::uint64_t) override {}
  void on_pipelined() override {}
  void on_closed(LocalSession&) override { ++closed; }
  int closed = 0;
};

TEST(LocalServerTest, IsForEverybodyAndGoesWithoutATrace) {
  const test::TemporaryDirectory directory;
  boost::asio::io_context io;
  Reactor reactor(io);
  NoHost host;
  CallerLimits limits{{}};
  {
    LocalServer server(reactor, host, limits, 4);
    ASSERT_TRUE(server.listen(directory / "s").has_value());
    struct stat info;
    ASSERT_EQ(stat((directory / "s").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0666u);
    EXPECT_FALSE(std::filesystem::exists(directory / "s.new"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(LocalServerTest, RefusesConnectionsAboveItsBound) {
  const test::TemporaryDirectory directory;
  boost::asio::io_context io;
  Reactor reactor(io);
  NoHost host;
  CallerLimits limits{{}};
  LocalServer server(reactor, host, limits, 2);
  ASSERT_TRUE(server.listen(directory / "s").has_value());
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = directory / "s";
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(clients.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  server.on_ready(EPOLLIN);
  EXPECT_GE(server.statistics().refused, 1u);
  EXPECT_LE(server.sessions(), 2u);
  char byte;
  EXPECT_EQ(recv(clients.back().get(), &byte, 1, 0), 0) << "refused means end of file";
}

}  // namespace
}  // namespace qnet::agent
