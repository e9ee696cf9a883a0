// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/agent_pair.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

namespace qnet::test {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 10s;

int free_udp_port() {
  const UniqueFd probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  EXPECT_EQ(getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

}  // namespace

AgentProcess::AgentProcess(const std::vector<std::string>& options) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  log_end_ = UniqueFd(ends[0]);
  const UniqueFd write_end(ends[1]);
  std::vector<char*> words{const_cast<char*>(QNETD)};
  for (const std::string& option : options) words.push_back(const_cast<char*>(option.c_str()));
  words.push_back(nullptr);
  process_ = fork();
  if (process_ == 0) {
    dup2(ends[1], STDERR_FILENO);
    execv(QNETD, words.data());
    _exit(127);
  }
}

AgentProcess::~AgentProcess() {
  if (process_ <= 0) return;
  signal(SIGTERM);
  EXPECT_EQ(wait_for_end(), 0) << log_;  // A leak that a sanitizer finds has another status.
  EXPECT_EQ(log_.find("runtime error"), std::string::npos) << log_;
  if (process_ <= 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

bool AgentProcess::read_log(std::chrono::steady_clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  pollfd wait{.fd = log_end_.get(), .events = POLLIN, .revents = 0};
  if (left.count() <= 0 || poll(&wait, 1, static_cast<int>(left.count())) <= 0) return false;
  char text[4096];
  const ssize_t count = read(log_end_.get(), text, sizeof text);
  if (count <= 0) return false;
  log_.append(text, static_cast<std::size_t>(count));
  return true;
}

void AgentProcess::wait_for(std::string_view text) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (log_.find(text) == std::string::npos) {
    if (!read_log(until)) {
      ADD_FAILURE() << "the agent did not say \"" << text << "\" but:\n" << log_;
      return;
    }
  }
}

void AgentProcess::signal(int number) const {
  kill(process_, number);
}

int AgentProcess::wait_for_end() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (read_log(until)) {  // Its end of the pipe closes with it.
  }
  int status = -1;
  if (std::chrono::steady_clock::now() >= until) return -1;
  waitpid(std::exchange(process_, -1), &status, 0);
  return status;
}

RawClient::RawClient(const std::string& socket_path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  EXPECT_EQ(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << socket_path;
}

std::string RawClient::envelope(wire::Opcode opcode, std::string_view target, std::size_t body_bytes,
                                std::uint64_t handle) {
  std::string bytes(wire::RequestHeader::kBytes + 2 + target.size(), '\0');
  if (opcode != wire::Opcode::kCancel) ++request_;
  wire::Writer out(as_writable_bytes(bytes.data(), bytes.size()));
  wire::put_field(out, wire::RequestHeader{.size_bytes = static_cast<std::uint32_t>(2 + target.size() + body_bytes),
                                           .opcode = static_cast<std::uint16_t>(opcode),
                                           .request = request_,
                                           .handle = handle});
  out.put(target);
  return bytes;
}

void RawClient::send_bytes(std::string_view bytes, int fd) {
  while (!bytes.empty()) {
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    if (fd >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* item = CMSG_FIRSTHDR(&message);
      *item = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
      std::memcpy(CMSG_DATA(item), &fd, sizeof fd);
      fd = -1;
    }
    const ssize_t count = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

Answer RawClient::receive() {
  Answer answer;
  std::byte header_bytes[wire::ReplyHeader::kBytes];
  iovec piece{header_bytes, sizeof header_bytes};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket_.get(), &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof header_bytes) {
    answer.is_closed = true;
    return answer;
  }
  if (const cmsghdr* item = CMSG_FIRSTHDR(&message)) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(item), sizeof fd);
    answer.fd.reset(fd);
  }
  const auto header = wire::decode<wire::ReplyHeader>(header_bytes);
  EXPECT_EQ(header->request, request_);
  answer.error = header->error;
  answer.body.resize(header->size_bytes);
  if (header->size_bytes > 0) {
    EXPECT_EQ(recv(socket_.get(), answer.body.data(), answer.body.size(), MSG_WAITALL),
              static_cast<ssize_t>(answer.body.size()));
  }
  return answer;
}

AgentPair::AgentPair() : ports_{free_udp_port(), free_udp_port()} {
  a_ = start("a");
  b_ = start("b");
  for (AgentProcess* agent : {a_.get(), b_.get()}) {
    agent->wait_for(" ready ");
    agent->wait_for("peer up");
  }
}

std::unique_ptr<AgentProcess> AgentPair::start(const std::string& name) {
  const bool is_a = name == "a";
  const auto address = [&](bool of_a) { return "127.0.0.1:" + std::to_string(ports_[of_a ? 0 : 1]); };
  return std::make_unique<AgentProcess>(std::vector<std::string>{
      "--trusted", "--name", name, "--socket", socket(name), "--state-dir", directory_ / ("state-" + name), "--prefix",
      directory_ / "net", "--link", "en0=udp:" + address(is_a), "--peer",
      std::string(is_a ? "b" : "a") + "=en0@" + address(!is_a)});
}

std::uint64_t AgentPair::counter(const std::string& node, const std::string& part, const std::string& counter) const {
  const Answer answer = client(node).call(wire::Opcode::kGetStatistics, "", wire::Empty{});
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  EXPECT_TRUE(json.is_object()) << answer.body;
  return json.is_object() ? json.at(part).at(counter).get<std::uint64_t>() : 0;
}

void AgentPair::expect_counter(const std::string& node, const std::string& part, const std::string& counter,
                               std::uint64_t wanted) const {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  std::uint64_t value = 0;
  do {
    value = this->counter(node, part, counter);
    if (value == wanted) return;
  } while (std::chrono::steady_clock::now() < until);
  FAIL() << node << " " << part << "." << counter << " is " << value << ", not " << wanted;
}

UniqueFd AgentPair::open(RawClient& from, const std::string& path, int flags, std::uint64_t& handle, int mode,
                         const std::string& target) const {
  Answer answer = from.call(
      wire::Opcode::kOpen, target,
      wire::OpenRequest{
          .flags = static_cast<std::uint32_t>(flags), .mode = static_cast<std::uint32_t>(mode), .path = path});
  EXPECT_EQ(answer.code(), 0) << path;
  EXPECT_TRUE(static_cast<bool>(answer.fd));
  if (answer.error == 0) handle = answer.as<wire::OpenReply>().handle;
  return std::move(answer.fd);
}

}  // namespace qnet::test
