// SPDX-License-Identifier: Apache-2.0
//
// What a hostile local program can send: it is cut off, nobody else notices.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/agent/agent_pair.hpp"

namespace qnet::test {
namespace {

using wire::Opcode;

class AttackLocalClientTest : public AgentPair {
 protected:
  ~AttackLocalClientTest() override {
    EXPECT_EQ(client().call(Opcode::kGetAttributes, "b", wire::GetAttributesRequest{.path = "/"}).code(), 0)
        << "the agent no longer works";
  }
};

TEST_F(AttackLocalClientTest, GarbageIsCutOff) {
  RawClient garbage = this->client();
  garbage.send_bytes(std::string(4096, '\xff'));
  EXPECT_TRUE(garbage.receive().is_closed);

  RawClient zeros = this->client();
  zeros.send_bytes(std::string(4096, '\0'));
  EXPECT_TRUE(zeros.receive().is_closed);
}

TEST_F(AttackLocalClientTest, ASizeAboveTheLimitIsCutOff) {
  RawClient client = this->client();
  client.send_bytes(client.envelope(Opcode::kWrite, "b", wire::kMessageBytesMax + 1));
  EXPECT_TRUE(client.receive().is_closed);
}

TEST_F(AttackLocalClientTest, ATargetBeyondTheMessageOrWithANulIsCutOff) {
  RawClient beyond = this->client();
  std::string bytes = beyond.envelope(Opcode::kListNodes, "", 0);
  bytes[wire::RequestHeader::kBytes] = '\x40';  // A target of 64 bytes that are not there.
  beyond.send_bytes(bytes);
  EXPECT_TRUE(beyond.receive().is_closed);

  RawClient nul = this->client();
  nul.send_bytes(nul.envelope(Opcode::kGetAttributes, std::string_view("b\0c", 3), 0));
  EXPECT_TRUE(nul.receive().is_closed);
}

TEST_F(AttackLocalClientTest, HalfMessagesHoldUpNobody) {
  std::vector<RawClient> halves;
  for (std::size_t cut : {1, 31, 32, 33, 40}) {
    halves.push_back(this->client());
    const std::string whole = halves.back().envelope(Opcode::kWrite, "b", 1 << 20);
    halves.back().send_bytes(std::string_view(whole + std::string(100, 'x')).substr(0, cut));
  }
  EXPECT_EQ(client().call(Opcode::kListNodes, "", wire::Empty{}).code(), 0);
}

TEST_F(AttackLocalClientTest, AMessageMayComeByteByByte) {
  RawClient client = this->client();
  const std::string whole = client.envelope(Opcode::kListNodes, "", 0);
  for (const char& byte : whole) client.send_bytes({&byte, 1});
  EXPECT_EQ(client.receive().code(), 0);
}

TEST_F(AttackLocalClientTest, ABodyThatMakesNoSenseIsAnError) {
  RawClient client = this->client();
  for (const std::string target : {"", "a", "b"}) {
    client.send_bytes(client.envelope(Opcode::kGetAttributes, target, 3) + "\xff\xff\xff");
    const Answer answer = client.receive();
    EXPECT_FALSE(answer.is_closed);
    EXPECT_NE(answer.error, 0) << target;
  }
}

TEST_F(AttackLocalClientTest, ASecondRequestBeforeTheReplyIsCutOff) {
  ASSERT_EQ(mkfifo((directory_ / "fifo").c_str(), 0644), 0);
  RawClient client = this->client();
  client.send(Opcode::kOpen, "b", wire::OpenRequest{.flags = O_RDONLY, .path = directory_ / "fifo"});
  client.send(Opcode::kListNodes, "", wire::Empty{});
  EXPECT_TRUE(client.receive().is_closed);
  expect_counter("b", "served", "in_flight", 0);
}

TEST_F(AttackLocalClientTest, WhoNeverReadsCostsOneReply) {
  std::uint64_t handle = 0;
  RawClient opener = this->client();
  const UniqueFd fd = open(opener, "/dev/zero", O_RDONLY, handle, 0, "a");
  const wire::ReadRequest read{.offset_bytes = 0, .length_bytes = wire::kDataBytesMax};
  RawClient deaf = this->client();
  for (int i = 0; i < 3; ++i) deaf.send(Opcode::kRead, "a", read, handle);
  EXPECT_EQ(client().call(Opcode::kListNodes, "", wire::Empty{}).code(), 0);
}

TEST_F(AttackLocalClientTest, DescriptorsThatNobodyAskedForAreClosed) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  RawClient client = this->client();
  EXPECT_EQ(client.call(Opcode::kListNodes, "", wire::Empty{}, 0, write_end.get()).code(), 0);
  EXPECT_EQ(client.call(Opcode::kAdoptHandle, "b", wire::Empty{}, 4711, write_end.get()).code(), ESTALE);
  write_end.reset();
  char byte;
  EXPECT_EQ(read(read_end.get(), &byte, 1), 0) << "the agent must not keep it";
}

TEST_F(AttackLocalClientTest, InventedHandlesAndCancelsDoNothing) {
  RawClient client = this->client();
  EXPECT_EQ(client.call(Opcode::kRead, "b", wire::ReadRequest{.length_bytes = 1}, 4711).code(), ESTALE);
  EXPECT_EQ(client.call(Opcode::kRead, "", wire::ReadRequest{.length_bytes = 1}, 4711).code(), ESTALE);
  client.send(Opcode::kCancel, "b", wire::CancelRequest{.request = 12345});
  EXPECT_EQ(client.call(Opcode::kListNodes, "", wire::Empty{}).code(), 0);
  EXPECT_EQ(client.call(static_cast<Opcode>(60000), "", wire::Empty{}).code(), EOPNOTSUPP);
}

}  // namespace
}  // namespace qnet::test
