// SPDX-License-Identifier: Apache-2.0
//
// exec_rig.hpp: how do the tests ask an executor, and wait without sleeping?
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "agent/exec/executor.hpp"
#include "agent/exec/operation.hpp"
#include "agent/exec/reply.hpp"

namespace qnet::exec {

inline constexpr auto kPatience = std::chrono::seconds(5);

inline wire::Caller user_caller(std::uint32_t user, std::uint32_t process = 4711) {
  return {.user = user, .group = user, .process = process, .group_count = 0};
}
inline wire::Caller own_caller(std::uint32_t process = 4711) {
  wire::Caller caller = user_caller(::geteuid(), process);
  caller.group = ::getegid();
  return caller;
}

struct On {
  std::uint64_t handle = 0, second_handle = 0;
};

/// A request under way.
struct Pending {
  ClientId client;
  std::uint64_t request = 0;
  std::future<Reply> reply;

  Reply get() {
    if (reply.wait_for(kPatience) != std::future_status::ready) {
      ADD_FAILURE() << "no reply within the patience";
      return {.error = ETIMEDOUT, .body = {}};
    }
    return reply.get();
  }
  bool is_answered() const { return reply.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
};

/// A decoded reply that owns its bytes.
template <class Message>
struct Answer {
  int error = 0;
  Buffer body;
  Message message;

  const Message* operator->() const { return &message; }
};

template <class Message>
Answer<Message> to_answer(Reply reply) {
  Answer<Message> answer{.error = reply.error, .body = std::move(reply.body), .message = {}};
  if (answer.error == 0) {
    const auto decoded = wire::decode<Message>(answer.body.view());
    EXPECT_TRUE(decoded.has_value());
    if (decoded) answer.message = *decoded;
  }
  return answer;
}

/// One client of an executor, acting as one caller.
class Client {
 public:
  Client(Executor& executor, std::uint64_t id, wire::Caller caller) : executor_(executor), id_{id}, caller_(caller) {}

  template <class Message>
  Pending start(wire::Opcode opcode, const Message& message, On on = {}) {
    auto promise = std::make_shared<std::promise<Reply>>();
    Pending pending{.client = id_, .request = ++last_request_, .reply = promise->get_future()};
    Request request{.client = id_, .header = {}, .caller = caller_, .body = to_body(message)};
    request.header.opcode = static_cast<std::uint16_t>(opcode);
    request.header.request = pending.request;
    request.header.handle = on.handle;
    request.header.second_handle = on.second_handle;
    executor_.submit(std::move(request), [promise](Reply reply) { promise->set_value(std::move(reply)); });
    return pending;
  }
  template <class Operation>
  Answer<typename Operation::Reply> ask(const typename Operation::Request& request, On on = {});

  Answer<wire::OpenReply> open(std::string_view path, int flags, mode_t mode = 0644, On on = {}) {
    const wire::OpenRequest request{.flags = static_cast<std::uint32_t>(flags), .mode = mode, .path = path};
    return to_answer<wire::OpenReply>(start(wire::Opcode::kOpen, request, on).get());
  }
  std::uint64_t must_open(std::string_view path, int flags, mode_t mode = 0644) {
    auto answer = open(path, flags, mode);
    EXPECT_EQ(answer.error, 0) << path;
    return answer->handle;
  }
  int close(std::uint64_t handle) { return start(wire::Opcode::kClose, wire::Empty{}, {handle}).get().error; }
  Pending start_read(std::uint64_t handle, std::uint32_t bytes, std::int64_t offset = -1, bool may_block = true) {
    const wire::ReadRequest request{.offset_bytes = offset, .length_bytes = bytes, .may_block = may_block};
    return start(wire::Opcode::kRead, request, {handle});
  }
  /// The bytes, or "errno N".
  std::string read(std::uint64_t handle, std::uint32_t bytes, std::int64_t offset = -1) {
    return text_of(start_read(handle, bytes, offset).get());
  }
  static std::string text_of(const Reply& reply) {
    if (reply.error != 0) return "errno " + std::to_string(reply.error);
    return std::string(as_text(reply.body.view()));
  }
  Pending start_write(std::uint64_t handle, std::string_view text, std::int64_t offset = -1, bool may_block = true) {
    const wire::WriteRequest request{.offset_bytes = offset, .may_block = may_block, .data = {as_bytes(text)}};
    return start(wire::Opcode::kWrite, request, {handle});
  }
  /// The count, or -errno.
  int write(std::uint64_t handle, std::string_view text, std::int64_t offset = -1) {
    const auto answer = to_answer<wire::WriteReply>(start_write(handle, text, offset).get());
    return answer.error != 0 ? -answer.error : static_cast<int>(answer->written_bytes);
  }
  std::int64_t seek(std::uint64_t handle, std::int64_t offset, int whence) {
    const wire::SeekRequest request{.offset = offset, .whence = static_cast<std::uint32_t>(whence)};
    const auto answer = to_answer<wire::SeekReply>(start(wire::Opcode::kSeek, request, {handle}).get());
    return answer.error != 0 ? -answer.error : answer->offset;
  }
  Pending start_lock(std::uint64_t handle, wire::LockCommand command, int type, std::int64_t first = 0,
                     std::int64_t length = 0, bool is_ofd = false) {
    const wire::LockRangeRequest request{.command = static_cast<std::uint8_t>(command),
                                         .is_ofd = is_ofd,
                                         .type = static_cast<std::uint16_t>(type),
                                         .whence = SEEK_SET,
                                         .start = first,
                                         .length = length};
    return start(wire::Opcode::kLockRange, request, {handle});
  }
  int lock(std::uint64_t handle, int type, std::int64_t first = 0, std::int64_t length = 0, bool is_ofd = false) {
    return start_lock(handle, wire::LockCommand::kSet, type, first, length, is_ofd).get().error;
  }
  int flock(std::uint64_t handle, int operation) {
    const wire::LockWholeRequest request{.operation = static_cast<std::uint32_t>(operation)};
    return start(wire::Opcode::kLockWhole, request, {handle}).get().error;
  }
  void cancel(const Pending& pending) { executor_.cancel(pending.client, pending.request); }

  ClientId id() const { return id_; }
  Executor& executor() { return executor_; }

 private:
  Executor& executor_;
  const ClientId id_;
  const wire::Caller caller_;
  static inline std::atomic<std::uint64_t> last_request_ = 0;  // Unique for all clients, as agents keep it.
};

template <class Message>
struct OpcodeOf;
#define QNET_OPCODE_ROW_kOwner(Name)                               \
  template <>                                                      \
  struct OpcodeOf<op::Name> {                                      \
    static constexpr wire::Opcode kOpcode = wire::Opcode::k##Name; \
  };
#define QNET_OPCODE_ROW_kAgent(Name)
#define QNET_OPERATION(number, Name, where) QNET_OPCODE_ROW_##where(Name)
#include "transport/wire/operations.def"
#undef QNET_OPERATION
#undef QNET_OPCODE_ROW_kAgent
#undef QNET_OPCODE_ROW_kOwner

template <class Operation>
Answer<typename Operation::Reply> Client::ask(const typename Operation::Request& request, On on) {
  return to_answer<typename Operation::Reply>(start(OpcodeOf<Operation>::kOpcode, request, on).get());
}

/// A folder that everybody may use, gone afterwards; and one executor with one client.
class ExecTest : public ::testing::Test {
 protected:
  ExecTest() : ExecTest(ExecutorConfig{}) {}
  explicit ExecTest(ExecutorConfig config) : executor_(std::move(config)), me_(executor_, 1, own_caller()) {
    char name[] = "/tmp/qnet-exec-XXXXXX";
    folder_ = ::mkdtemp(name);
    ::chmod(folder_.c_str(), 0777);
  }
  ~ExecTest() override { std::filesystem::remove_all(folder_); }

  std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }
  std::string make_file(std::string_view name, std::string_view content, mode_t mode = 0666) const {
    std::ofstream(path(name)) << content;
    ::chmod(path(name).c_str(), mode);
    return path(name);
  }
  std::string content_of(std::string_view name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string make_fifo(std::string_view name) const {
    EXPECT_EQ(::mkfifo(path(name).c_str(), 0666), 0);
    return path(name);
  }
  static bool is_root() { return ::geteuid() == 0; }

  Executor executor_;
  Client me_;
  std::string folder_;
};

#define QNET_NEEDS_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: an executor of another user acts for that user only"

/// How many of the executors' threads are inside that system call right now.
inline int count_threads_in(long system_call) {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name, state;
    std::getline(std::ifstream(task.path() / "comm") >> std::ws, name);
    if (!name.starts_with("qnet-exec")) continue;
    std::getline(std::ifstream(task.path() / "syscall") >> std::ws, state);
    if (state.starts_with(std::to_string(system_call) + " ")) ++count;
  }
  return count;
}

/// Waits for what another thread is about to do; false when patience ends.
template <class Condition>
bool comes_true(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    ::usleep(500);  // Gives way on a busy machine; not how long we wait.
  }
  return condition();
}

}  // namespace qnet::exec
