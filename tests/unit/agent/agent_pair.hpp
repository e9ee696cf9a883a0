// SPDX-License-Identifier: Apache-2.0
//
// agent_pair.hpp: two real agents, a and b, on 127.0.0.1, and a bare client that speaks to one of them.
//
// Both see the file system of this machine, so a test checks with plain calls what b has done. Ready means that each
// has said "ready" and "peer up"; nothing sleeps to wait.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/agent/temporary_directory.hpp"
#include "transport/base/ids.hpp"
#include "transport/base/unique_fd.hpp"
#include "transport/wire/agent_ops.hpp"
#include "transport/wire/attr_ops.hpp"
#include "transport/wire/dir_ops.hpp"
#include "transport/wire/errno_wire.hpp"

namespace qnet::test {

/// One qnetd process. At the end it is stopped and must end well.
class AgentProcess {
 public:
  explicit AgentProcess(const std::vector<std::string>& options);
  ~AgentProcess();

  /// Reads its log until a line holds `text`; fails the test after ten seconds.
  void wait_for(std::string_view text);
  void signal(int number) const;
  /// Its wait status, or -1 after ten seconds.
  int wait_for_end();
  const std::string& log() const { return log_; }
  pid_t process() const { return process_; }

 private:
  bool read_log(std::chrono::steady_clock::time_point until);

  pid_t process_ = -1;
  UniqueFd log_end_;
  std::string log_;
};

struct Answer {
  bool is_closed = false;  ///< the agent hung up instead
  std::uint16_t error = 0;
  std::string body;
  UniqueFd fd;

  int code() const { return wire::errno_from_wire(error); }
  template <class Message>
  Message as() const {
    const auto message = wire::decode<Message>(as_bytes(std::string_view(body)));
    EXPECT_TRUE(message.has_value());
    return message.value_or(Message());
  }
};

/// One connection to an agent, with a time limit on everything.
class RawClient {
 public:
  explicit RawClient(const std::string& socket_path);

  template <class Message>
  Answer call(wire::Opcode opcode, std::string_view target, const Message& message, std::uint64_t handle = 0,
              int fd = -1) {
    send(opcode, target, message, handle, fd);
    return receive();
  }
  template <class Message>
  void send(wire::Opcode opcode, std::string_view target, const Message& message, std::uint64_t handle = 0,
            int fd = -1) {
    std::string body(wire::kMessageBytesMax, '\0');
    const auto encoded = wire::encode(message, as_writable_bytes(body.data(), body.size()));
    ASSERT_TRUE(encoded.has_value());
    body.resize(encoded->size());
    send_bytes(envelope(opcode, target, body.size(), handle) + body, fd);
  }
  std::string envelope(wire::Opcode opcode, std::string_view target, std::size_t body_bytes, std::uint64_t handle = 0);
  void send_bytes(std::string_view bytes, int fd = -1);
  Answer receive();

  std::uint64_t last_request() const { return request_; }
  int descriptor() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  std::uint64_t request_ = 0;
};

class AgentPair : public testing::Test {
 protected:
  AgentPair();

  std::unique_ptr<AgentProcess> start(const std::string& name);
  std::string socket(const std::string& name) const { return directory_ / (name + "/agent.sock"); }
  RawClient client(const std::string& name = "a") const { return RawClient(socket(name)); }
  std::uint64_t counter(const std::string& node, const std::string& part, const std::string& counter) const;
  /// A counter of `qnet stats`, asked until it is `wanted` or ten seconds are over.
  void expect_counter(const std::string& node, const std::string& part, const std::string& counter,
                      std::uint64_t wanted) const;
  /// Opens through a; the handle's number goes to `handle`.
  UniqueFd open(RawClient& from, const std::string& path, int flags, std::uint64_t& handle, int mode = 0644,
                const std::string& target = "b") const;

  TemporaryDirectory directory_;
  int ports_[2];
  std::unique_ptr<AgentProcess> a_, b_;
};

}  // namespace qnet::test
