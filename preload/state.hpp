// SPDX-License-Identifier: Apache-2.0
//
// state.hpp: what does the library know about its process?
//
// One object in zeroed memory, filled by the constructor (startup.cpp) from the environment and afterwards read only,
// but for the atomic members. Nothing here is ever freed: other destructors still use files after ours.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace qnet::preload {

/// One LOCAL=TARGET of QNET_MAP, without slashes at the end.
struct MapEntry {
  std::string_view local;
  std::string_view target;
};

/// The variables that say which /net a program sees.
inline constexpr std::string_view kSocketName = "QNET_SOCKET=";
inline constexpr std::string_view kMapName = "QNET_MAP=";

enum class WorkingDirectory : std::uint8_t { kUnknown, kLocal, kVirtual };

struct State {
  static constexpr std::size_t kMapEntriesMax = 64;

  std::atomic<bool> is_started;
  std::string_view prefix;  ///< "/net"
  std::array<MapEntry, kMapEntriesMax> map;
  std::size_t map_count;
  /// Second byte of every absolute path that is not plainly local.
  std::array<bool, 256> first_letters;

  const char* preload_entry;  ///< how LD_PRELOAD must name this library in children; null: we were not preloaded
  const char* socket_line;    ///< "QNET_SOCKET=…" for children; null: the usual one
  const char* map_line;       ///< "QNET_MAP=…" for children; null: none
  std::atomic<WorkingDirectory> working_directory;
  std::atomic<std::uint32_t> umask_plus_1;  ///< 0: not known yet
  std::atomic<bool> may_hold_record_locks;  ///< this process has asked for a POSIX record lock
};

extern constinit State state_object;
inline State& state() {
  return state_object;
}
/// True once the constructor has run.
inline bool is_started() {
  return state_object.is_started.load(std::memory_order_relaxed);
}

/// The process's umask without changing it.
std::uint32_t current_umask();

}  // namespace qnet::preload
