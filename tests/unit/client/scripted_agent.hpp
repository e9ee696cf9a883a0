// SPDX-License-Identifier: Apache-2.0
//
// scripted_agent.hpp: an agent that answers what a test tells it to.
//
// Threads:  one per connection, joined by the destructor; the script runs on them, one at a time.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "transport/wire/message.hpp"

namespace qnet::client {

struct ScriptedRequest {
  wire::RequestHeader header;
  std::string target;
  std::string body;
  int connection = 0;  ///< counted from 1
  int fd = -1;         ///< came with it; closed after the script has run
};

struct ScriptedReply {
  bool is_silent = false;  ///< say nothing
  bool hangs_up = false;   ///< close the connection afterwards
  std::uint16_t error = 0;
  std::string body;
  int fd = -1;                ///< sent with it
  std::uint64_t request = 0;  ///< 0: the one that was asked
  std::uint16_t opcode = 0;   ///< 0: the one that was asked
};

class ScriptedAgent {
 public:
  using Script = std::function<ScriptedReply(const ScriptedRequest&)>;

  ScriptedAgent(std::string path, Script script);
  ~ScriptedAgent();

  int connections() const { return connections_; }
  int requests() const { return requests_; }
  /// What the script has written belongs to the caller from here on. A reply proves it, too, but not to the thread
  /// sanitizer: the client's system calls are raw.
  void settle() { const std::lock_guard lock(mutex_); }

 private:
  void accept_loop();
  void serve(int fd, int number);

  const std::string path_;
  const Script script_;
  int listener_ = -1;
  std::atomic<int> connections_ = 0, requests_ = 0;
  std::mutex mutex_;  // of what follows, and held while the script runs
  std::vector<int> open_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

/// The client under test speaks to whoever listens at path_, in a folder of the test's own.
class WithAgentSocket : public ::testing::Test {
 protected:
  WithAgentSocket();
  ~WithAgentSocket() override;

  std::string directory_, path_;
};

}  // namespace qnet::client
