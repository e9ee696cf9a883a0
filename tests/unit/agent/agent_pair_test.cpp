// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/unit/agent/agent_pair.hpp"

namespace qnet::test {
namespace {

using wire::Opcode;

class AgentPairTest : public AgentPair {
 protected:
  std::string file(const std::string& name) const { return directory_ / name; }

  void make_file(const std::string& name, const std::string& content) const {
    std::ofstream(file(name), std::ios::binary) << content;
  }
  static std::string content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::string pattern(std::size_t size_bytes) {
    std::string text(size_bytes, '\0');
    for (std::size_t i = 0; i < size_bytes; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 4096) % 26);
    return text;
  }
};

TEST_F(AgentPairTest, OpensWritesReadsAndClosesOnTheOtherNode) {
  RawClient client = this->client();
  std::uint64_t handle = 0;
  UniqueFd fd = open(client, file("f"), O_RDWR | O_CREAT | O_EXCL, handle);
  const std::string data = pattern(wire::kDataBytesMax);
  const Answer written = client.call(Opcode::kWrite, "b", wire::WriteRequest{.data = {as_bytes(data)}}, handle);
  ASSERT_EQ(written.code(), 0);
  EXPECT_EQ(written.as<wire::WriteReply>().written_bytes, data.size());
  EXPECT_EQ(content_of(file("f")), data);

  const Answer read = client.call(Opcode::kRead, "b",
                                  wire::ReadRequest{.offset_bytes = 0, .length_bytes = wire::kDataBytesMax}, handle);
  ASSERT_EQ(read.code(), 0);
  EXPECT_TRUE(read.body == data);

  expect_counter("b", "executor", "handles_open", 1);
  fd.reset();
  expect_counter("b", "executor", "handles_open", 0);
  EXPECT_EQ(client.call(Opcode::kGetFlags, "b", wire::Empty{}, handle).code(), ESTALE);
}

TEST_F(AgentPairTest, KnowsItselfItsPeersAndNobodyElse) {
  RawClient client = this->client();
  make_file("f", "x");
  const std::string path = file("f");
  const wire::GetAttributesRequest request{.path = path};
  EXPECT_EQ(client.call(Opcode::kGetAttributes, "a", request).code(), 0);
  EXPECT_EQ(client.call(Opcode::kGetAttributes, "b", request).code(), 0);
  EXPECT_EQ(client.call(Opcode::kGetAttributes, "b~preferred:en0", request).code(), 0);
  EXPECT_EQ(client.call(Opcode::kGetAttributes, "nosuch", request).code(), ENOENT);
  EXPECT_EQ(client.call(Opcode::kGetAttributes, "nosuch~what", request).code(), ENOENT);
  for (const char* target : {"b~", "b~fastest", "b~preferred", "b~preferred:", "b~preferred:en9", "b~exclusive:en9",
                             "a~exclusive:en9", "b~loadbalance:en0"}) {
    EXPECT_EQ(client.call(Opcode::kGetAttributes, target, request).code(), EINVAL) << target;
  }
  EXPECT_EQ(client.call(Opcode::kMakeDirectory, "new", wire::MakeDirectoryRequest{}).code(), EROFS);
  EXPECT_EQ(client.call(Opcode::kUnlink, "b", wire::UnlinkRequest{.flags = AT_REMOVEDIR}).code(), EROFS);
  EXPECT_EQ(client.call(static_cast<Opcode>(150), "b", wire::Empty{}).code(), EOPNOTSUPP);
}

TEST_F(AgentPairTest, AStrayWriteIsThereBeforeTheNextRequest) {
  RawClient client = this->client();
  for (const std::string target : {"b", "a"}) {
    std::uint64_t handle = 0;
    const UniqueFd fd = open(client, file("stray-" + target), O_WRONLY | O_CREAT, handle, 0644, target);
    for (std::uint64_t round = 1; round <= 50; ++round) {
      ASSERT_EQ(write(fd.get(), "0123456789", 10), 10);
      const Answer answer =
          client.call(Opcode::kGetAttributes, target, wire::GetAttributesRequest{.path = file("stray-" + target)});
      ASSERT_EQ(answer.as<wire::Attributes>().size_bytes, 10 * round) << target;
    }
  }
}

TEST_F(AgentPairTest, BytesOfAWriterThatHasGoneStillArrive) {
  RawClient client = this->client();
  std::uint64_t handle = 0;
  UniqueFd fd = open(client, file("gone"), O_WRONLY | O_CREAT, handle);
  const std::string data = pattern(1'000'000);  // More than one forwarded Write takes.
  ASSERT_EQ(write(fd.get(), data.data(), data.size()), static_cast<ssize_t>(data.size()));
  fd.reset();
  const Answer answer = client.call(Opcode::kGetAttributes, "b", wire::GetAttributesRequest{.path = file("gone")});
  EXPECT_EQ(answer.as<wire::Attributes>().size_bytes, data.size());
  expect_counter("b", "executor", "handles_open", 0);
  EXPECT_EQ(content_of(file("gone")), data);
}

TEST_F(AgentPairTest, ASignalEndsAWaitAtTheOwner) {
  ASSERT_EQ(mkfifo(file("fifo").c_str(), 0644), 0);
  for (const std::string target : {"b", "a"}) {
    RawClient client = this->client();
    std::uint64_t handle = 0;
    const UniqueFd fd = open(client, file("fifo"), O_RDWR, handle, 0, target);
    client.send(Opcode::kRead, target, wire::ReadRequest{.length_bytes = 10}, handle);
    client.send(Opcode::kCancel, target, wire::CancelRequest{.request = client.last_request()});
    EXPECT_EQ(client.receive().code(), EINTR) << target;
    EXPECT_EQ(client.call(Opcode::kGetFlags, target, wire::Empty{}, handle).code(), 0) << "the connection goes on";
  }
}

TEST_F(AgentPairTest, AClientThatDiesLeavesNothingAtTheOwner) {
  ASSERT_EQ(mkfifo(file("fifo").c_str(), 0644), 0);
  {
    RawClient client = this->client();
    std::uint64_t handle = 0;
    const UniqueFd fd = open(client, file("fifo"), O_RDWR, handle);
    client.send(Opcode::kRead, "b", wire::ReadRequest{.length_bytes = 10}, handle);
    RawClient waiting = this->client();
    waiting.send(Opcode::kOpen, "b", wire::OpenRequest{.flags = O_RDONLY, .path = file("fifo")});
    expect_counter("b", "served", "in_flight", 1);
  }
  expect_counter("b", "served", "in_flight", 0);
  expect_counter("b", "executor", "handles_open", 0);
  expect_counter("a", "calls", "in_flight", 0);
}

TEST_F(AgentPairTest, ALostPeerIsAnErrorAtOnceAndItsHandlesAreStaleAfterwards) {
  ASSERT_EQ(mkfifo(file("fifo").c_str(), 0644), 0);
  RawClient client = this->client();
  std::uint64_t handle = 0;
  const UniqueFd fd = open(client, file("fifo"), O_RDWR, handle);
  RawClient waiting = this->client();
  waiting.send(Opcode::kRead, "b", wire::ReadRequest{.length_bytes = 10}, handle);
  expect_counter("b", "served", "in_flight", 1);

  b_->signal(SIGKILL);
  b_->wait_for_end();
  const auto lost_at = std::chrono::steady_clock::now();
  EXPECT_EQ(waiting.receive().code(), EHOSTDOWN);
  EXPECT_LT(std::chrono::steady_clock::now() - lost_at, std::chrono::seconds(3));
  EXPECT_EQ(client.call(Opcode::kGetFlags, "b", wire::Empty{}, handle).code(), EHOSTDOWN);

  b_ = start("b");
  b_->wait_for("peer up");
  a_->wait_for("peer down");
  Answer answer;
  const auto until = lost_at + std::chrono::seconds(10);
  do answer = client.call(Opcode::kGetFlags, "b", wire::Empty{}, handle);
  while (answer.code() == EHOSTDOWN && std::chrono::steady_clock::now() < until);
  EXPECT_EQ(answer.code(), ESTALE);
  EXPECT_EQ(client.call(Opcode::kGetAttributes, "b", wire::GetAttributesRequest{.path = "/"}).code(), 0);
}

/// The first second of an agent: its peers have not been heard of yet, which is no reason to fail.
TEST_F(AgentPairTest, AFirstRequestWaitsForTheFirstContact) {
  a_->signal(SIGTERM);
  a_->wait_for_end();
  a_ = start("a");
  a_->wait_for(" ready ");
  EXPECT_EQ(this->client().call(Opcode::kGetAttributes, "b", wire::GetAttributesRequest{.path = "/"}).code(), 0);
}

TEST_F(AgentPairTest, AFirstRequestToANodeThatIsNotThereFailsInBoundedTime) {
  for (const auto& agent : {a_.get(), b_.get()}) {
    agent->signal(SIGKILL);
    agent->wait_for_end();
  }
  a_ = start("a");
  a_->wait_for(" ready ");
  RawClient client = this->client();
  const auto asked_at = std::chrono::steady_clock::now();
  EXPECT_EQ(client.call(Opcode::kGetAttributes, "b", wire::GetAttributesRequest{.path = "/"}).code(), EHOSTDOWN);
  EXPECT_LT(std::chrono::steady_clock::now() - asked_at, std::chrono::seconds(5));
}

TEST_F(AgentPairTest, AGoodbyeFailsWhatWaitsAndLeavesNoTrace) {
  ASSERT_EQ(mkfifo(file("fifo").c_str(), 0644), 0);
  RawClient waiting = this->client();
  std::uint64_t handle = 0;
  const UniqueFd fd = open(waiting, file("fifo"), O_RDWR, handle);
  waiting.send(Opcode::kRead, "b", wire::ReadRequest{.length_bytes = 10}, handle);
  expect_counter("b", "served", "in_flight", 1);
  b_->signal(SIGTERM);
  EXPECT_EQ(waiting.receive().code(), EHOSTDOWN);
  EXPECT_EQ(b_->wait_for_end(), 0) << b_->log();
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "b"));
  a_->wait_for("goodbye");
}

/// `work` in a process of its own that has become `user`; its value is the exit status.
template <class Work>
int as_user(uid_t user, Work&& work) {
  const pid_t child = fork();
  if (child == 0) {
    if (user != 0 && (setgid(user) != 0 || setuid(user) != 0)) _exit(99);
    _exit(work());
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(AgentPairTest, AHandleServesWhoOpenedItAndWhoShowsThatHeHoldsIt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  chmod(directory_.path().c_str(), 0755);
  make_file("secret", "content");
  RawClient root = this->client();
  std::uint64_t handle = 0;
  const UniqueFd fd = open(root, file("secret"), O_RDONLY, handle);
  const wire::ReadRequest read{.offset_bytes = 0, .length_bytes = 100};
  const int status = as_user(65534, [&] {
    RawClient nobody = this->client();
    if (nobody.call(Opcode::kRead, "b", read, handle).error != wire::kErrorProveHandle) return 1;
    if (nobody.call(Opcode::kAdoptHandle, "b", wire::Empty{}, handle).code() != EACCES) return 2;
    if (nobody.call(Opcode::kAdoptHandle, "b", wire::Empty{}, handle, STDIN_FILENO).code() != EACCES) return 3;
    if (nobody.call(Opcode::kAdoptHandle, "b", wire::Empty{}, handle, fd.get()).code() != 0) return 4;
    if (nobody.call(Opcode::kRead, "b", read, handle).body != "content") return 5;
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(AgentPairTest, FilesBelongToTheCaller) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  chmod(directory_.path().c_str(), 0777);
  const int status = as_user(65534, [&] {
    RawClient nobody = this->client();
    std::uint64_t handle = 0;
    open(nobody, file("his"), O_WRONLY | O_CREAT, handle);
    const Answer denied = nobody.call(Opcode::kOpen, "b", wire::OpenRequest{.flags = O_RDONLY, .path = "/etc/shadow"});
    return denied.code() == EACCES ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  struct stat info {};
  ASSERT_EQ(stat(file("his").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 65534u);
}

TEST_F(AgentPairTest, ARecordLockEndsWithItsProcess) {
  make_file("locked", "0123456789");
  const wire::LockRangeRequest lock{.command = 1, .type = F_WRLCK, .whence = SEEK_SET, .start = 0, .length = 5};
  RawClient client = this->client();
  std::uint64_t handle = 0;
  const UniqueFd fd = open(client, file("locked"), O_RDWR, handle);
  for (int round = 0; round < 10; ++round) {
    const int status = as_user(0, [&] {
      RawClient other = this->client();
      if (other.call(Opcode::kLockRange, "b", lock, handle).code() != 0) return 1;
      return client.call(Opcode::kLockRange, "b", lock, handle).code() == EAGAIN ? 0 : 2;
    });
    ASSERT_EQ(status, 0);
    // waitpid() has returned: the lock must be gone, without asking twice.
    ASSERT_EQ(client.call(Opcode::kLockRange, "b", lock, handle).code(), 0) << round;
    wire::LockRangeRequest unlock = lock;
    unlock.type = F_UNLCK;
    ASSERT_EQ(client.call(Opcode::kLockRange, "b", unlock, handle).code(), 0);
  }
}

TEST_F(AgentPairTest, AWholeFileLockEndsWithTheLastClose) {
  make_file("locked", "");
  RawClient client = this->client();
  for (int round = 0; round < 10; ++round) {
    std::uint64_t handle = 0;
    const UniqueFd fd = open(client, file("locked"), O_RDWR, handle);
    ASSERT_EQ(client.call(Opcode::kLockWhole, "b", wire::LockWholeRequest{.operation = 2 | 4}, handle).code(), 0)
        << "LOCK_EX | LOCK_NB, round " << round;
  }
}

TEST_F(AgentPairTest, GivesAWorkingDirectoryThatNamesTheVirtualOne) {
  RawClient client = this->client();
  const Answer answer = client.call(Opcode::kEnterDirectory, "", wire::EnterDirectoryRequest{.path = "/net/b/etc"});
  ASSERT_EQ(answer.code(), 0);
  const std::string text = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(answer.fd.get()));
  EXPECT_TRUE(text.ends_with("/net/b/etc (deleted)")) << text;
  EXPECT_NE(text.find(wire::kWorkingDirectoryMark), std::string::npos);
  const Answer again =
      this->client().call(Opcode::kEnterDirectory, "", wire::EnterDirectoryRequest{.path = "/net/b/etc"});
  EXPECT_EQ(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(again.fd.get())), text);
  EXPECT_EQ(client.call(Opcode::kEnterDirectory, "", wire::EnterDirectoryRequest{.path = "/net/../b"}).code(), EINVAL);
}

TEST_F(AgentPairTest, ASecondAgentOnTheSameSocketRefuses) {
  AgentProcess second({"--trusted", "--name", "c", "--socket", socket("a"), "--state-dir", directory_ / "state-c"});
  EXPECT_EQ(WEXITSTATUS(second.wait_for_end()), 1);
  EXPECT_NE(second.log().find("another agent is running"), std::string::npos) << second.log();
  EXPECT_EQ(client().call(Opcode::kListNodes, "", wire::Empty{}).code(), 0);
}

TEST_F(AgentPairTest, ManyConnectionsAtOnceGetTheirOwnAnswers) {
  constexpr int kThreads = 8, kRounds = 100;
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < kThreads; ++t) make_file("f" + std::to_string(t), std::string(static_cast<std::size_t>(t), 'x'));
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      RawClient client = this->client(t % 2 == 0 ? "a" : "b");
      const std::string path = file("f" + std::to_string(t));
      for (int i = 0; i < kRounds; ++i) {
        const Answer answer =
            client.call(Opcode::kGetAttributes, t % 3 == 0 ? "a" : "b", wire::GetAttributesRequest{.path = path});
        if (answer.is_closed || answer.error != 0 ||
            answer.as<wire::Attributes>().size_bytes != static_cast<std::uint64_t>(t)) {
          ++wrong;
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace qnet::test
