// SPDX-License-Identifier: Apache-2.0
#include "preload/spawn_descriptors.hpp"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <atomic>
#include <bit>

#include "preload/entry.hpp"
#include "preload/kernel_descriptors.hpp"
#include "preload/libc.hpp"
#include "preload/open_descriptors.hpp"

namespace qnet::preload {
namespace {

using Action = SpawnDescriptors::Action;

constexpr int kOwnFloor = 900;  // above the numbers that programs use

/// The values of Action::kind.
struct Kinds {
  std::uint8_t close = 0, dup2 = 0, open = 0, close_from = 0;
};
/// Kinds as one number, with a bit for "known". 0: not looked yet.
constexpr std::uint64_t kKnown = std::uint64_t{1} << 32, kStrange = std::uint64_t{1} << 33;
constinit std::atomic<std::uint64_t> known_kinds = 0;

const Action* actions_of(const posix_spawn_file_actions_t& list) {
  return reinterpret_cast<const Action*>(list.__actions);
}

/// Makes a list of its own and looks what it has become.
std::uint64_t learn_kinds() {
  constexpr int kNumbers[] = {811, 812, 813, 814, 815, 816, 817};
  posix_spawn_file_actions_t sample;
  if (libc().posix_spawn_file_actions_init(&sample) != 0) return kStrange;
  const auto& add = libc();
  const bool is_made = add.posix_spawn_file_actions_adddup2(&sample, kNumbers[0], kNumbers[1]) == 0 &&
                       add.posix_spawn_file_actions_adddup2(&sample, kNumbers[2], kNumbers[3]) == 0 &&
                       add.posix_spawn_file_actions_addclose(&sample, kNumbers[4]) == 0 &&
                       add.posix_spawn_file_actions_addopen(&sample, kNumbers[5], "/", O_RDONLY, 0) == 0 &&
                       add.posix_spawn_file_actions_addclosefrom_np(&sample, kNumbers[6]) == 0;
  std::uint64_t learnt = kStrange;
  const Action* const made = actions_of(sample);
  if (is_made && sample.__used == 5 && made[0].fd == kNumbers[0] && made[0].target == kNumbers[1] &&
      made[1].fd == kNumbers[2] && made[1].target == kNumbers[3] && made[1].kind == made[0].kind &&
      made[2].fd == kNumbers[4] && made[3].fd == kNumbers[5] && made[4].fd == kNumbers[6]) {
    const Kinds kinds{static_cast<std::uint8_t>(made[2].kind), static_cast<std::uint8_t>(made[0].kind),
                      static_cast<std::uint8_t>(made[3].kind), static_cast<std::uint8_t>(made[4].kind)};
    learnt = kKnown | std::bit_cast<std::uint32_t>(kinds);
  }
  libc().posix_spawn_file_actions_destroy(&sample);
  return learnt;
}

bool find_kinds(Kinds& kinds) {
  std::uint64_t known = known_kinds.load(std::memory_order_relaxed);
  if (known == 0) known_kinds.store(known = learn_kinds(), std::memory_order_relaxed);
  kinds = std::bit_cast<Kinds>(static_cast<std::uint32_t>(known));
  return (known & kKnown) != 0;
}

}  // namespace

SpawnDescriptors::SpawnDescriptors(const posix_spawn_file_actions_t* given) : given_(given) {
  const KeepErrno keep;
  collect();
  has_own_ = count_ != 0 && rewrite();
}

SpawnDescriptors::~SpawnDescriptors() {
  const KeepErrno keep;
  for (std::size_t i = 0; i < count_; ++i) {
    if (replaced_[i].is_owned) raw_syscall(SYS_close, replaced_[i].kernel_fd);
  }
}

void SpawnDescriptors::collect() {
  for_each_descriptor([this](int fd) { look_at(fd); });
}

void SpawnDescriptors::look_at(int fd) {
  RemoteFd found;
  if (count_ == kReplacedMax || !may_be_remote(fd) || !find_remote(fd, found)) return;
  if (found.error != 0 || found.is_directory()) return;
  const long flags = raw_syscall(SYS_fcntl, fd, F_GETFD, 0);
  if (is_raw_error(flags)) return;
  replaced_[count_++] = {.fd = fd, .is_inherited = (flags & FD_CLOEXEC) == 0, .handle = found.handle};
}

/// False: it stays as it is.
bool SpawnDescriptors::open_for(Replaced& entry) {
  if (entry.kernel_fd >= 0) return true;
  for (std::size_t i = 0; i < count_; ++i) {
    if (!replaced_[i].is_owned || replaced_[i].handle != entry.handle) continue;
    entry.kernel_fd = replaced_[i].kernel_fd;
    return true;
  }
  RemoteFd found;
  if (!find_remote(entry.fd, found)) return false;
  const Result<int> given = open_kernel_descriptor(found);
  if (!given) return false;
  const long high = raw_syscall(SYS_fcntl, *given, F_DUPFD_CLOEXEC, kOwnFloor);
  if (!is_raw_error(high)) raw_syscall(SYS_close, *given);
  entry.kernel_fd = is_raw_error(high) ? *given : static_cast<int>(high);
  entry.is_owned = true;
  return true;
}

bool SpawnDescriptors::uses_ours(const Action& action) const {
  for (std::size_t i = 0; i < count_; ++i) {
    const int ours = replaced_[i].kernel_fd;
    if (ours >= 0 && (action.fd == ours || action.target == ours)) return true;
  }
  return false;
}

void SpawnDescriptors::note_change(unsigned first, unsigned last) {
  for (std::size_t i = 0; i < count_; ++i) {
    const auto fd = static_cast<unsigned>(replaced_[i].fd);
    if (fd >= first && fd <= last) replaced_[i].is_original = false;
  }
}

/// False: the actions stay the given ones.
bool SpawnDescriptors::rewrite() {
  Kinds kinds;
  if (!find_kinds(kinds)) return false;
  const std::size_t given_count = given_ == nullptr ? 0 : static_cast<std::size_t>(given_->__used);
  if (given_count > kActionsMax) return false;
  std::size_t used = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    Replaced& entry = replaced_[i];
    if (entry.is_inherited && open_for(entry)) {
      list_[used++] = {.kind = kinds.dup2, .unused = 0, .fd = entry.kernel_fd, .target = entry.fd, .rest = {}};
    }
  }
  bool is_ours_open = true;  // No action has closed our numbers.
  for (std::size_t at = 0; at < given_count; ++at) {
    Action action = actions_of(*given_)[at];
    if (action.kind == kinds.dup2) {
      for (std::size_t i = 0; i < count_ && is_ours_open; ++i) {
        Replaced& entry = replaced_[i];
        if (entry.fd != action.fd || entry.is_inherited || !entry.is_original || !open_for(entry)) continue;
        action.fd = entry.kernel_fd;
        break;
      }
      note_change(static_cast<unsigned>(action.target), static_cast<unsigned>(action.target));
    } else if (action.kind == kinds.close || action.kind == kinds.open) {
      note_change(static_cast<unsigned>(action.fd), static_cast<unsigned>(action.fd));
    } else if (action.kind == kinds.close_from) {
      note_change(static_cast<unsigned>(action.fd), UINT_MAX);
      is_ours_open = false;
    }
    list_[used++] = action;
  }
  for (std::size_t at = 0; at < given_count; ++at) {
    if (uses_ours(actions_of(*given_)[at])) return false;
  }
  own_.__used = own_.__allocated = static_cast<int>(used);
  own_.__actions = reinterpret_cast<decltype(own_.__actions)>(list_.data());
  return true;
}

}  // namespace qnet::preload
