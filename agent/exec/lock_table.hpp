// SPDX-License-Identifier: Apache-2.0
//
// lock_table.hpp: who holds which POSIX record lock?
//
// A POSIX lock belongs to a process, and here that process is on another node. So each (client, process, file) has an
// open file description of its own here, and its locks are OFD locks on that: two opens of one process do not conflict,
// everybody else does, local processes included, and the kernel keeps the truth. The ranges are also remembered here:
// to name the holder to F_GETLK, and to take read locks along when a description that can also write is needed.
// Any thread. Not here: the request (lock_exec.cpp); flock and OFD locks, which are the handle's own.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "agent/exec/handle_table.hpp"

namespace qnet::exec {

/// A locked range, both ends included.
struct LockedRange {
  std::int64_t first = 0, last = 0;  // last INT64_MAX: to the end, wherever it is
  short type = F_UNLCK;
  friend bool operator==(const LockedRange&, const LockedRange&) = default;
};

/// What one process holds on one file, as POSIX merges and splits it.
class LockedRanges {
 public:
  /// Replaces whatever was there, as fcntl does; F_UNLCK leaves a hole.
  void set(LockedRange range);
  bool overlaps(std::int64_t first, std::int64_t last) const;
  const std::vector<LockedRange>& all() const { return ranges_; }
  void clear() { ranges_.clear(); }

 private:
  std::vector<LockedRange> ranges_;  // in order, disjoint, neighbours of one type merged
};

/// One process's locks on one file. The members belong to the mutex, which is never held while waiting for a lock.
struct LockOwner {
  static constexpr std::size_t kRangesMax = 16384;  // above: ENOLCK

  /// Remembers a lock that was waited for on `description`. False: the owner was released meanwhile or has another
  /// description, and with that the lock is gone.
  bool record(const UniqueFd& description, const LockedRange& range);

  std::mutex mutex;
  std::shared_ptr<UniqueFd> fd;  // the private description, none yet at first; who waits for a lock on it keeps it
  int access = O_RDONLY;         // what it was opened for
  bool is_shared = false;        // it is a duplicate of the handle's: the file could not be opened anew
  bool is_released = false;      // no longer in the table: its locks go with it
  LockedRanges ranges;
};
using LockOwnerPointer = std::shared_ptr<LockOwner>;

class LockTable {
 public:
  explicit LockTable(std::size_t owners_max) : owners_max_(owners_max) {}

  /// Finds or makes the owner, with a description that can do what `file` can. Errors: ENOLCK when the table is full;
  /// ESTALE when the client is gone; those of open().
  [[nodiscard]] Result<LockOwnerPointer> owner(const ClientLife& client, std::uint32_t process, const OpenFile& file);
  LockOwnerPointer find(const ClientLife& client, std::uint32_t process, const FileKey& key) const;
  /// The process on another node (or this one) that holds what overlaps; 0: none of ours.
  std::uint32_t holder(const FileKey& key, const LockOwner* except, std::int64_t first, std::int64_t last) const;

  /// Drop all locks: of one process on one file, of one process, of a client (which must be gone already).
  void release(const ClientLife& client, std::uint32_t process, const FileKey& key);
  void release(const ClientLife& client, std::uint32_t process);
  void release(const ClientLife& client);

  /// Files on which some process holds locks.
  std::size_t size() const;

 private:
  struct Key {
    FileKey file;
    ClientId client;
    std::uint32_t process = 0;
    auto operator<=>(const Key&) const = default;
  };

  template <class Wanted>
  void release_if(Wanted is_wanted);

  const std::size_t owners_max_;
  mutable std::mutex mutex_;  // never held together with LockOwner::mutex: opening a file may take its time
  std::map<Key, LockOwnerPointer> owners_;
};

}  // namespace qnet::exec
