// SPDX-License-Identifier: Apache-2.0
//
// startup.cpp: the stages from "loaded" to "ready".
//
//   loaded      every call is a system call of our own (libc.hpp); all paths and descriptors count as local
//   ready       the constructor has read the environment and the agent's prefix; nothing is connected or opened
//   connected   at the first call that concerns the prefix or a remote descriptor (agent/client)
//
// fork: the child closes its copies of the connections. exec: everything begins again; what is remote, and where the
// process is, the kernel tells (handle_name.hpp, kWorkingDirectoryMark).
#include "preload/startup.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "agent/client/brought.hpp"
#include "agent/client/client.hpp"
#include "preload/log.hpp"
#include "preload/map_text.hpp"
#include "preload/remote_program.hpp"
#include "preload/standard_streams.hpp"
#include "preload/state.hpp"
#include "transport/base/net_path.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {
namespace {

constexpr std::size_t kPrefixBytesMax = 255;
constinit std::array<char, kPrefixBytesMax + 1> prefix_text{};
constinit std::array<char, 8192> map_text{};
constinit std::array<char, 4096> preload_text{};
constinit std::array<char, 128> socket_text{};

/// The agent leaves its prefix beside its socket if it is not the default.
void read_prefix() {
  state().prefix = kDefaultPrefix;
  const std::string_view socket = client::socket_path();
  std::array<char, 128> link;
  constexpr std::string_view kSuffix = ".prefix";
  if (socket.empty() || socket.size() + kSuffix.size() >= link.size()) return;
  std::memcpy(link.data(), socket.data(), socket.size());
  std::memcpy(link.data() + socket.size(), kSuffix.data(), kSuffix.size() + 1);
  const long got = raw_syscall(SYS_readlinkat, AT_FDCWD, link.data(), prefix_text.data(), kPrefixBytesMax);
  if (got > 1 && prefix_text[0] == '/') {
    prefix_text[static_cast<std::size_t>(got)] = '\0';
    state().prefix = without_slashes({prefix_text.data(), static_cast<std::size_t>(got)});
    prefix_text[state().prefix.size()] = '\0';
  }
}

void read_map(const char* value) {
  if (value == nullptr || kMapName.size() + std::strlen(value) >= map_text.size()) {
    if (value != nullptr) log(LogLevel::kError, {"QNET_MAP is too long and not used"});
    return;
  }
  state().map_line = map_text.data();
  std::strcpy(map_text.data() + kMapName.copy(map_text.data(), kMapName.size()), value);
  std::string_view left = map_text.data() + kMapName.size();
  while (!left.empty()) {
    std::string_view text;
    const std::optional<MapEntry> entry = take_map_entry(left, text);
    if (!entry || state().map_count == State::kMapEntriesMax) {
      log(LogLevel::kError, {"QNET_MAP: not used: ", text});
      continue;
    }
    state().map[state().map_count++] = *entry;
    state().first_letters[static_cast<unsigned char>(entry->local[1])] = true;
  }
}

void choose_first_letters() {
  // "//net", "/./net", "/../net"; /proc/self/fd and /dev/fd, /dev/stdin.
  for (const char letter : {'/', '.', 'p', 'd', state().prefix[1]}) {
    state().first_letters[static_cast<unsigned char>(letter)] = true;
  }
}

std::string_view file_name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

/// Children whose environment says nothing would look for the agent in the usual place.
void note_socket() {
  const std::string_view socket = client::socket_path();
  if (socket.empty() || socket == client::kSystemSocket || kSocketName.size() + socket.size() >= socket_text.size())
    return;
  socket.copy(socket_text.data() + kSocketName.copy(socket_text.data(), kSocketName.size()), socket.size());
  state().socket_line = socket_text.data();
}

/// How children are to be given the library: as LD_PRELOAD names it, or nothing if it came in by another way.
void find_preload_entry() {
  const char* const value = std::getenv("LD_PRELOAD");
  Dl_info self{};
  if (value == nullptr || ::dladdr(reinterpret_cast<const void*>(&find_preload_entry), &self) == 0) return;
  const std::string_view own_name = file_name_of(self.dli_fname);
  std::string_view left = value;
  while (!left.empty()) {
    const std::size_t end = left.find_first_of(": ");
    const std::string_view entry = left.substr(0, end);
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    if (file_name_of(entry) != own_name || entry.size() >= preload_text.size()) continue;
    std::memcpy(preload_text.data(), entry.data(), entry.size());
    state().preload_entry = preload_text.data();
    return;
  }
}

/// The agent must see the machine itself, however it was started.
constexpr std::string_view kAgentProgram = "qnetd";

__attribute__((constructor)) void start() {
  if (kAgentProgram == program_invocation_short_name) return;
  configure_log(std::getenv("QNET_LOG"), std::getenv("QNET_LOG_FILE"));
  client::configure(nullptr);
  note_socket();
  read_prefix();
  read_map(std::getenv("QNET_MAP"));
  choose_first_letters();
  find_preload_entry();
  take_program_name();
  ::pthread_atfork(client::brought::settle, nullptr, after_fork_in_child);
  state().is_started.store(true);
  adopt_standard_streams();
}

}  // namespace

void after_fork_in_child() {
  client::after_fork();
  state().may_hold_record_locks.store(false, std::memory_order_relaxed);
}

}  // namespace qnet::preload
