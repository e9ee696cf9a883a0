// SPDX-License-Identifier: Apache-2.0
//
// local_server.hpp: where do local programs find the agent, and who are they?
//
// One listening unix stream socket, mode 0666: identity decides who may do what, and the kernel proves it
// (SO_PEERCRED, SO_PEERGROUPS of the connection). A lock file beside the socket decides between agents; a socket that
// nobody answers on is left over from one that was killed, and is taken over. The socket appears in one step,
// answering.
//
// Threads:  the strand.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/local_session.hpp"
#include "agent/reactor.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {

/// <path>.lock, held while an agent uses <path>; removed at the end.
class SocketLock {
 public:
  /// Errors: EADDRINUSE another agent is running; EEXIST `socket_path` is something else than a socket.
  static Result<SocketLock> take(const std::string& socket_path);
  ~SocketLock();
  SocketLock(SocketLock&&) = default;
  SocketLock& operator=(SocketLock&&) = delete;

 private:
  SocketLock(std::string path, UniqueFd file) : path_(std::move(path)), file_(std::move(file)) {}
  std::string path_;
  UniqueFd file_;
};

class LocalServer final : public Watcher {
 public:
  static constexpr int kAcceptBurstMax = 16;

  struct Statistics {
    std::uint64_t accepted = 0, refused = 0;
    std::uint64_t cut_off = 0;  // for what they sent
  };

  /// A user other than root gets at most half of `sessions_max`.
  LocalServer(Reactor& reactor, SessionHost& host, CallerLimits& limits, std::size_t sessions_max);
  ~LocalServer();

  /// Begins to answer; needs the SocketLock of `path`.
  Status listen(const std::string& path);
  void on_ready(std::uint32_t events) override;

  /// Destroys what has been closed; never from inside a session's own method.
  void bury();

  std::size_t sessions() const { return sessions_.size(); }
  const Statistics& statistics() const { return statistics_; }

 private:
  bool accept_one();
  bool may_have_another(std::uint32_t user) const;

  Reactor& reactor_;
  SessionHost& host_;
  CallerLimits& limits_;
  const std::size_t sessions_max_;
  std::string path_;
  UniqueFd listener_;
  UniqueFd reserve_;  // given up to accept and refuse when descriptors are out
  std::vector<std::unique_ptr<LocalSession>> sessions_;
  std::unordered_map<std::uint32_t, std::size_t> per_user_;
  bool has_closed_ = false;
  Statistics statistics_;
};

}  // namespace qnet::agent
