// SPDX-License-Identifier: Apache-2.0
#include "agent/client/connection_pool.hpp"

#include "agent/client/brought.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "transport/base/raw_syscall.hpp"

namespace qnet::client {

/// All zero: free, not connected.
struct Slot {
  std::atomic<bool> is_taken;
  std::atomic<int> fd_plus_1;
  unsigned identity;  // Pool::identity when it was connected
  std::uint64_t last_request;
  AgentIdentity agent;
};

namespace {

/// More threads than this in calls at once connect for each call.
constexpr std::size_t kSlots = 64;
/// Above what programs expect of their own descriptors (select's 1024 is the process's business, not ours).
constexpr int kFdFloor = 1000;
constexpr std::string_view kUserSocket = "/qnet/agent.sock";  // below $XDG_RUNTIME_DIR

struct Pool {
  std::array<Slot, kSlots> slots;
  std::atomic<int> process;        // whose descriptors the slots name; 0: nobody's yet
  std::atomic<unsigned> identity;  // counts set*id and setgroups
  std::atomic<unsigned> life;      // counts forks, in the child
  std::atomic<int> lowest_fd;      // no connection below it; 0: none at all
  std::atomic<unsigned> epoch;     // counts changes of last_agent
  std::atomic<int> last_agent;     // process
  sockaddr_un address;             // sun_path empty: no agent can be reached
};
constinit Pool pool{};

int current_process() {
  return static_cast<int>(raw_syscall(SYS_getpid));
}
void raw_close(int fd) {
  raw_syscall(SYS_close, fd);
}

/// Copies `fd` to a high number. -errno when there is none.
long duplicate_high(int fd) {
  rlimit limit{};
  raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  const auto end = limit.rlim_cur > INT32_MAX ? INT32_MAX : static_cast<int>(limit.rlim_cur);
  // A small table: as high as possible, without taking more than is needed.
  for (int floor = end > kFdFloor + static_cast<int>(kSlots) ? kFdFloor : end - 8; floor > 8; floor /= 2) {
    const long copy = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, floor);
    if (copy >= 0) return copy;
  }
  return raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
}

void note_lowest(int fd) {
  int lowest = pool.lowest_fd.load(std::memory_order_relaxed);
  while ((lowest == 0 || fd < lowest) && !pool.lowest_fd.compare_exchange_weak(lowest, fd)) {
  }
}

/// A connected descriptor at a high number. Errors: ENONET, EMFILE, ENFILE, ENOMEM.
Result<int> connect_to_agent(AgentIdentity& agent) {
  if (pool.address.sun_path[0] == '\0') return fail(ENONET, "no socket path");
  const long low = raw_syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (low < 0) return fail(static_cast<int>(-low), "socket");
  const long fd = duplicate_high(static_cast<int>(low));
  raw_close(static_cast<int>(low));
  if (fd < 0) return fail(static_cast<int>(-fd), "fcntl");

  long connected = 0;
  do {
    connected = raw_syscall(SYS_connect, fd, &pool.address, sizeof pool.address);
  } while (connected == -EINTR);
  const int send_buffer_bytes = wire::kLocalSendBufferBytes;
  raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
  ucred peer{};
  socklen_t peer_bytes = sizeof peer;
  if (connected == 0) connected = raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes);
  if (connected < 0) {
    raw_close(static_cast<int>(fd));
    return fail(connected == -ENOMEM ? ENOMEM : ENONET, "connect");
  }
  agent = {peer.pid, peer.uid};
  if (pool.last_agent.exchange(peer.pid) != peer.pid || pool.epoch.load() == 0) pool.epoch.fetch_add(1);
  return static_cast<int>(fd);
}

void close_slot(Slot& slot) {
  const int fd = slot.fd_plus_1.exchange(0) - 1;
  if (fd >= 0) raw_close(fd);
}

Slot* slot_of(int fd) {
  const int lowest = pool.lowest_fd.load(std::memory_order_relaxed);
  if (lowest == 0 || fd < lowest) return nullptr;
  for (Slot& slot : pool.slots) {
    if (slot.fd_plus_1.load(std::memory_order_relaxed) == fd + 1) return &slot;
  }
  return nullptr;
}

}  // namespace

Lease::Lease() : life_(pool.life.load(std::memory_order_relaxed)) {
  const int process = current_process();
  int owner = 0;
  if (!pool.process.compare_exchange_strong(owner, process) && owner != process) return;
  for (Slot& slot : pool.slots) {
    if (slot.is_taken.load(std::memory_order_relaxed) || slot.is_taken.exchange(true, std::memory_order_acquire))
      continue;
    slot_ = &slot;
    if (slot.identity != pool.identity.load(std::memory_order_relaxed)) close_slot(slot);
    was_used_ = slot.fd_plus_1.load(std::memory_order_relaxed) != 0;
    return;
  }
}

Lease::~Lease() {
  if (is_orphaned()) return;
  if (slot_ != nullptr) slot_->is_taken.store(false, std::memory_order_release);
  else if (own_fd_ >= 0) raw_close(own_fd_);
}

Status Lease::ensure_connected() {
  if (fd() >= 0) return {};
  AgentIdentity agent;
  const unsigned identity = pool.identity.load();
  const Result<int> fd = connect_to_agent(agent);
  if (!fd) return fail(fd.error());
  was_used_ = false;
  if (slot_ == nullptr) {
    own_fd_ = *fd;
    own_agent_ = agent;
    return {};
  }
  slot_->identity = identity;
  slot_->agent = agent;
  slot_->fd_plus_1.store(*fd + 1);
  note_lowest(*fd);
  return {};
}

void Lease::spoil() {
  if (is_orphaned()) return;
  if (slot_ != nullptr) {
    close_slot(*slot_);
  } else if (own_fd_ >= 0) {
    raw_close(own_fd_);
    own_fd_ = -1;
  }
}

int Lease::fd() const {
  if (is_orphaned()) return -1;
  return slot_ != nullptr ? slot_->fd_plus_1.load(std::memory_order_relaxed) - 1 : own_fd_;
}
AgentIdentity Lease::agent() const {
  return slot_ != nullptr ? slot_->agent : own_agent_;
}
std::uint64_t Lease::next_request() {
  return slot_ != nullptr ? ++slot_->last_request : ++own_request_;
}
bool Lease::is_orphaned() const {
  return life_ != pool.life.load(std::memory_order_relaxed);
}

void configure(const char* socket_path) {
  pool.address.sun_family = AF_UNIX;
  const auto take = [](std::string_view directory, std::string_view name) {
    pool.address.sun_path[0] = '\0';
    if (directory.size() + name.size() >= sizeof pool.address.sun_path) return;
    std::memcpy(pool.address.sun_path, directory.data(), directory.size());
    std::memcpy(pool.address.sun_path + directory.size(), name.data(), name.size());
    pool.address.sun_path[directory.size() + name.size()] = '\0';
  };
  if (socket_path == nullptr || *socket_path == '\0') socket_path = std::getenv("QNET_SOCKET");
  if (socket_path != nullptr && *socket_path != '\0') return take(socket_path, "");
  const char* const run_directory = std::getenv("XDG_RUNTIME_DIR");
  if (run_directory == nullptr || *run_directory == '\0' ||
      raw_syscall(SYS_faccessat, AT_FDCWD, kSystemSocket, F_OK) == 0) {
    return take(kSystemSocket, "");
  }
  take(run_directory, kUserSocket);
}

const char* socket_path() {
  return pool.address.sun_path;
}

void after_fork() {
  brought::forget();
  if (pool.process.load(std::memory_order_relaxed) == 0) return;
  pool.life.fetch_add(1);
  for (Slot& slot : pool.slots) {
    close_slot(slot);
    slot.is_taken.store(false);
  }
  pool.process.store(0);
  pool.lowest_fd.store(0);
}

void forget_identity() {
  pool.identity.fetch_add(1);
}

bool owns_descriptor(int fd) {
  return slot_of(fd) != nullptr;
}

unsigned next_own_descriptor(unsigned first) {
  unsigned next = UINT_MAX;
  if (pool.lowest_fd.load(std::memory_order_relaxed) == 0) return next;
  for (Slot& slot : pool.slots) {
    const int fd = slot.fd_plus_1.load(std::memory_order_relaxed) - 1;
    if (fd >= 0 && static_cast<unsigned>(fd) >= first && static_cast<unsigned>(fd) < next) {
      next = static_cast<unsigned>(fd);
    }
  }
  return next;
}

void vacate(int fd) {
  Slot* const slot = slot_of(fd);
  if (slot == nullptr) return;
  const long copy = duplicate_high(fd);
  slot->fd_plus_1.store(copy < 0 ? 0 : static_cast<int>(copy) + 1);
  if (copy >= 0) note_lowest(static_cast<int>(copy));
  raw_close(fd);
}

unsigned agent_epoch() {
  return pool.epoch.load(std::memory_order_relaxed);
}

Result<AgentIdentity> agent_identity() {
  Lease lease;
  if (lease.fd() >= 0) {
    // An agent that has gone shows as end of file; nothing else is ever unread here.
    char byte = 0;
    if (raw_syscall(SYS_recvfrom, lease.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT, nullptr, nullptr) != -EAGAIN) {
      lease.spoil();
    }
  }
  const Status connected = lease.ensure_connected();
  if (!connected) return fail(connected.error());
  return lease.agent();
}

}  // namespace qnet::client
