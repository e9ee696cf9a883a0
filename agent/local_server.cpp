// SPDX-License-Identifier: Apache-2.0
#include "agent/local_server.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "agent/log.hpp"

namespace qnet::agent {
namespace {

constexpr int kBacklog = 512;
constexpr int kLockTriesMax = 8;
constexpr std::size_t kGroupsAskedMax = 65536;  // NGROUPS_MAX

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "socket path");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* as_sockaddr(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// Makes sure that nobody answers on `path` and that nothing but an old socket lies there, and removes that.
Status clear_stale(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return errno == ENOENT ? Status() : fail_errno("lstat");
  if (!S_ISSOCK(info.st_mode)) return fail(EEXIST, "not a socket");
  const Result<sockaddr_un> address = address_of(path);
  if (!address) return fail(address.error());
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_errno("socket");
  if (connect(probe.get(), as_sockaddr(*address), sizeof *address) == 0 || errno == EAGAIN) {
    return fail(EADDRINUSE, "connect");
  }
  if (errno != ECONNREFUSED && errno != ENOENT) return fail_errno("connect");
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("unlink");
  return {};
}

/// Who is at the other end, as the kernel says.
std::optional<wire::Caller> caller_of(int connection) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  wire::Caller caller{
      .user = credentials.uid, .group = credentials.gid, .process = static_cast<std::uint32_t>(credentials.pid)};

  std::array<gid_t, wire::Caller::kGroupsMax> groups;
  size = sizeof groups;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
    caller.group_count = static_cast<std::uint32_t>(size / sizeof(gid_t));
    std::copy_n(groups.begin(), caller.group_count, caller.groups.begin());
    return caller;
  }
  if (errno != ERANGE || size > kGroupsAskedMax * sizeof(gid_t)) return std::nullopt;

  std::vector<gid_t> all(size / sizeof(gid_t));
  if (getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, all.data(), &size) != 0) return std::nullopt;
  spdlog::warn("groups cut off uid={} groups={} kept={}", caller.user, all.size(), wire::Caller::kGroupsMax);
  caller.group_count = wire::Caller::kGroupsMax;
  std::copy_n(all.begin(), caller.group_count, caller.groups.begin());
  return caller;
}

}  // namespace

Result<SocketLock> SocketLock::take(const std::string& socket_path) {
  const std::string path = socket_path + ".lock";
  for (int tries = 0; tries < kLockTriesMax; ++tries) {
    UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail_errno("open lock");
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      return errno == EWOULDBLOCK ? fail(EADDRINUSE, "flock") : fail_errno("flock");
    }
    // An agent that ends removes its lock file: is the one that we hold still there?
    struct stat held, named;
    const bool is_current = fstat(file.get(), &held) == 0 && lstat(path.c_str(), &named) == 0 &&
                            held.st_ino == named.st_ino && held.st_dev == named.st_dev;
    if (!is_current) continue;
    SocketLock lock(path, std::move(file));
    if (const Status cleared = clear_stale(socket_path); !cleared) return fail(cleared.error());
    return lock;
  }
  return fail(EADDRINUSE, "lock file keeps changing");
}

SocketLock::~SocketLock() {
  if (file_) unlink(path_.c_str());
}

LocalServer::LocalServer(Reactor& reactor, SessionHost& host, CallerLimits& limits, std::size_t sessions_max)
    : reactor_(reactor),
      host_(host),
      limits_(limits),
      sessions_max_(sessions_max),
      reserve_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

LocalServer::~LocalServer() {
  if (!listener_) return;
  unlink(path_.c_str());
  reactor_.forget(listener_.get(), *this);
  for (const auto& session : sessions_) session->close();
}

Status LocalServer::listen(const std::string& path) {
  const std::string new_path = path + ".new";
  const Result<sockaddr_un> address = address_of(new_path);
  if (!address) return fail(address.error());
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return fail_errno("socket");
  unlink(new_path.c_str());
  if (bind(listener.get(), as_sockaddr(*address), sizeof *address) != 0) return fail_errno("bind");
  if (chmod(new_path.c_str(), 0666) != 0) return fail_errno("chmod");
  if (::listen(listener.get(), kBacklog) != 0) return fail_errno("listen");
  if (const Status watched = reactor_.watch(listener.get(), EPOLLIN, *this); !watched) return watched;
  listener_ = std::move(listener);
  path_ = new_path;
  if (rename(new_path.c_str(), path.c_str()) != 0) return fail_errno("rename");
  path_ = path;
  return {};
}

void LocalServer::on_ready(std::uint32_t) {
  for (int count = 0; count < kAcceptBurstMax && accept_one(); ++count) {
  }
}

bool LocalServer::may_have_another(std::uint32_t user) const {
  if (sessions_.size() >= sessions_max_) return false;
  const auto found = per_user_.find(user);
  return user == 0 || found == per_user_.end() || found->second < sessions_max_ / 2;
}

bool LocalServer::accept_one() {
  UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection) {
    if (errno != EMFILE && errno != ENFILE) return false;
    // Left in the queue it would keep the descriptor ready for ever: take it and hang up.
    reserve_.reset();
    const UniqueFd refused(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    reserve_.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
    ++statistics_.refused;
    return static_cast<bool>(refused);
  }
  const std::optional<wire::Caller> caller = caller_of(connection.get());
  if (!caller || !may_have_another(caller->user)) {
    ++statistics_.refused;
    return true;
  }
  const int bytes = wire::kLocalSendBufferBytes;
  if (setsockopt(connection.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
    static_cast<void>(setsockopt(connection.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));
  }
  auto session = std::make_unique<LocalSession>(reactor_, host_, limits_, std::move(connection), *caller, has_closed_);
  if (!session->start()) {
    ++statistics_.refused;
    return true;
  }
  ++statistics_.accepted;
  ++per_user_[caller->user];
  sessions_.push_back(std::move(session));
  return true;
}

void LocalServer::bury() {
  if (!std::exchange(has_closed_, false)) return;
  std::erase_if(sessions_, [this](const std::unique_ptr<LocalSession>& session) {
    if (!session->is_closed()) return false;
    statistics_.cut_off += session->was_cut_off() ? 1 : 0;
    const auto found = per_user_.find(session->caller().user);
    if (--found->second == 0) per_user_.erase(found);
    return true;
  });
}

}  // namespace qnet::agent
