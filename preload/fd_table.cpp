// SPDX-License-Identifier: Apache-2.0
#include "preload/fd_table.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "agent/client/client.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {

constinit std::array<std::atomic<FdNote>, kFdNotes> fd_notes{};

namespace {

/// The agent instance that was found to be the present one, and at which connection that was.
constinit std::atomic<std::uint64_t> verified_instance{};
constinit std::atomic<unsigned> verified_epoch{};

void note(int fd, FdNote value) {
  if (fd >= 0 && fd < kFdNotes) fd_notes[static_cast<std::size_t>(fd)].store(value, std::memory_order_relaxed);
}

/// 0: made by the agent that runs now. ENONET, ESTALE: by another one. -1: by somebody else.
int check_agent(int fd, std::uint64_t instance) {
  const unsigned epoch = client::agent_epoch();
  if (epoch != 0 && verified_epoch.load() == epoch && verified_instance.load() == instance) return 0;

  ucred maker{};
  socklen_t maker_bytes = sizeof maker;
  if (raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &maker, &maker_bytes) < 0) return -1;
  const Result<client::AgentIdentity> agent = client::agent_identity();
  if (agent && agent->process == maker.pid && agent->user == maker.uid) {
    verified_instance.store(instance);
    verified_epoch.store(client::agent_epoch());
    return 0;
  }
  // A former agent cannot be proven; nobody but root and ourselves gains anything by having us believe it.
  const bool is_plausible = maker.uid == 0 || maker.uid == static_cast<uid_t>(raw_syscall(SYS_geteuid)) ||
                            (agent && agent->user == maker.uid);
  if (!is_plausible) return -1;
  return agent ? ESTALE : ENONET;
}

}  // namespace

bool find_remote(int fd, RemoteFd& found) {
  if (!may_be_remote(fd)) return false;
  sockaddr_un name;
  socklen_t name_bytes = sizeof name;
  const long result = raw_syscall(SYS_getpeername, fd, &name, &name_bytes);
  if (result == -EBADF) return false;
  constexpr std::size_t kTextAt = offsetof(sockaddr_un, sun_path) + 1;
  const bool is_abstract = result == 0 && name_bytes > kTextAt && name_bytes <= sizeof name &&
                           name.sun_family == AF_UNIX && name.sun_path[0] == '\0';
  if (!is_abstract) {
    note_local(fd);
    return false;
  }
  const std::string_view text(name.sun_path + 1, name_bytes - kTextAt);
  const auto parsed = wire::parse_handle_name(text);
  const int error = parsed ? check_agent(fd, parsed->agent_instance) : -1;
  if (error < 0) {
    note_local(fd);
    return false;
  }
  found.fd = fd;
  found.handle = parsed->handle;
  found.kind = parsed->kind;
  found.error = error;
  std::memcpy(found.text.data(), text.data(), text.size());
  found.target_at = text.size() - parsed->target.size();
  found.target_bytes = parsed->target.size();
  note_remote(fd);
  return true;
}

void note_local(int fd) {
  note(fd, FdNote::kLocal);
}
void note_remote(int fd) {
  note(fd, FdNote::kRemote);
}
void note_unknown(int fd) {
  note(fd, FdNote::kUnknown);
}
void note_unknown_between(unsigned first, unsigned last) {
  for (unsigned fd = first; fd <= last && fd < static_cast<unsigned>(kFdNotes); ++fd) {
    // Reading does not make the kernel provide memory for the part that was never written.
    if (fd_notes[fd].load(std::memory_order_relaxed) != FdNote::kUnknown) note(static_cast<int>(fd), FdNote::kUnknown);
  }
}

}  // namespace qnet::preload
