// SPDX-License-Identifier: Apache-2.0
//
// fd_table.hpp: is this descriptor ours, and which handle is it?
//
// The kernel holds the truth: getpeername() names the handle (wire/handle_name.hpp), SO_PEERCRED says that the agent
// made it. Kept here is one byte per descriptor: unknown, local, remote. "Local" costs one array look-up and no system
// call; "remote" is asked again each time (0.3 µs), so a descriptor closed behind our back is never mistaken. Threads:
// any; signal-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "preload/state.hpp"
#include "transport/wire/handle_name.hpp"

namespace qnet::preload {

/// What the name of the descriptor says. Self-contained: `target` points into `text`.
struct RemoteFd {
  int fd = -1;
  HandleId handle;
  wire::HandleKind kind = wire::HandleKind::kFile;
  std::array<char, wire::HandleName::kBytesMax> text;
  std::size_t target_at = 0, target_bytes = 0;
  int error = 0;  ///< ENONET, ESTALE: it is ours, but its agent is gone

  std::string_view target() const { return {text.data() + target_at, target_bytes}; }
  bool is_file() const { return kind == wire::HandleKind::kFile; }
  bool is_directory() const { return kind == wire::HandleKind::kDirectory; }
};

/// Above this number descriptors are asked each time.
inline constexpr int kFdNotes = 65536;
enum class FdNote : std::uint8_t { kUnknown, kLocal, kRemote };
extern constinit std::array<std::atomic<FdNote>, kFdNotes> fd_notes;

/// True and `found` filled in if `fd` is a remote handle. Keeps errno.
bool find_remote(int fd, RemoteFd& found);

/// The one-byte answer without a system call where it is known to be local. Always false before the constructor has
/// run.
inline bool may_be_remote(int fd) {
  if (static_cast<unsigned>(fd) >= static_cast<unsigned>(kFdNotes)) {
    return fd >= 0 && is_started();
  }
  return fd_notes[static_cast<std::size_t>(fd)].load(std::memory_order_relaxed) != FdNote::kLocal && is_started();
}

void note_local(int fd);                                   ///< this number was just opened locally
void note_remote(int fd);                                  ///< this number was just given to a remote handle
void note_unknown(int fd);                                 ///< closed, received, duplicated: look again at the next use
void note_unknown_between(unsigned first, unsigned last);  ///< close_range

}  // namespace qnet::preload
