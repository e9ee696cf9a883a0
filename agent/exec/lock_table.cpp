// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/lock_table.hpp"

#include <algorithm>
#include <utility>

#include "agent/exec/resolve.hpp"

namespace qnet::exec {
namespace {

bool lock_range(int fd, const LockedRange& range) {
  struct flock lock = {};
  lock.l_type = range.type;
  lock.l_whence = SEEK_SET;
  lock.l_start = range.first;
  lock.l_len = range.last == INT64_MAX ? 0 : range.last - range.first + 1;
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/// Opens the file behind the handle anew. A FIFO or a device could notice, and a file may refuse: then the handle's own
/// description must do.
Status open_description(LockOwner& owner, const OpenFile& file) {
  const bool is_plain = file.kind == wire::HandleKind::kFile || file.kind == wire::HandleKind::kDirectory;
  const int wanted = file.access == O_RDONLY ? O_RDONLY : O_RDWR;
  const ProcessPath path(file.fd.get());
  UniqueFd fd;
  owner.is_shared = false;
  for (const int access : {wanted, file.access}) {
    if (!is_plain || fd) break;
    fd.reset(::open(path.text, access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    owner.access = access;
  }
  if (!fd) {
    fd.reset(::fcntl(file.fd.get(), F_DUPFD_CLOEXEC, 0));
    owner.access = file.access;
    owner.is_shared = true;
  }
  if (!fd) return fail_errno("locks: open");
  owner.fd = std::make_shared<UniqueFd>(std::move(fd));
  return {};
}

/// A read-only description holds read locks only, and those do not conflict with themselves: the new description takes
/// them all before the old one goes, so that there is no moment without them.
Status widen(LockOwner& owner, const OpenFile& file) {
  LockOwner wider;
  if (const Status opened = open_description(wider, file); !opened) return opened;
  for (const LockedRange& range : owner.ranges.all()) {
    if (!lock_range(wider.fd->get(), range)) return fail(ENOLCK, "locks: the description cannot be changed");
  }
  std::swap(owner.fd, wider.fd);
  std::swap(owner.access, wider.access);
  std::swap(owner.is_shared, wider.is_shared);
  return {};
}

}  // namespace

bool LockOwner::record(const UniqueFd& description, const LockedRange& range) {
  const std::lock_guard lock(mutex);
  if (is_released || fd.get() != &description) return false;
  ranges.set(range);
  return true;
}

void LockedRanges::set(LockedRange range) {
  std::vector<LockedRange> result;
  const auto add = [&result](const LockedRange& piece) {
    if (!result.empty() && result.back().type == piece.type && result.back().last + 1 == piece.first) {
      result.back().last = piece.last;
    } else {
      result.push_back(piece);
    }
  };
  bool is_added = range.type == F_UNLCK;
  const auto add_new = [&] {
    if (!std::exchange(is_added, true)) add(range);
  };
  for (const LockedRange& old : ranges_) {
    if (old.first < range.first) add({old.first, std::min(old.last, range.first - 1), old.type});
    if (old.last <= range.last) continue;
    add_new();
    add({std::max(old.first, range.last + 1), old.last, old.type});
  }
  add_new();
  ranges_ = std::move(result);
}

bool LockedRanges::overlaps(std::int64_t first, std::int64_t last) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const LockedRange& range) { return range.first <= last && first <= range.last; });
}

Result<LockOwnerPointer> LockTable::owner(const ClientLife& client, std::uint32_t process, const OpenFile& file) {
  const Key key{file.key, client.id, process};
  LockOwnerPointer owner;
  {
    const std::lock_guard lock(mutex_);
    if (client.is_gone.load()) return fail(ESTALE, "locks: the client is gone");
    const auto found = owners_.find(key);
    if (found == owners_.end() && owners_.size() >= owners_max_) return fail(ENOLCK, "locks: too many");
    owner = found != owners_.end() ? found->second : owners_.emplace(key, std::make_shared<LockOwner>()).first->second;
  }
  Status opened;
  {
    const std::lock_guard lock(owner->mutex);
    const bool is_too_narrow = file.access != O_RDONLY && owner->access == O_RDONLY && !owner->is_shared;
    if (!owner->fd) opened = open_description(*owner, file);
    else if (is_too_narrow) opened = widen(*owner, file);
    if (opened) return owner;
    if (owner->fd) return fail(opened.error());  // It keeps what it has.
    owner->is_released = true;
  }
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(key);
  if (found != owners_.end() && found->second == owner) owners_.erase(found);
  return fail(opened.error());
}

LockOwnerPointer LockTable::find(const ClientLife& client, std::uint32_t process, const FileKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(Key{key, client.id, process});
  return found == owners_.end() ? nullptr : found->second;
}

std::uint32_t LockTable::holder(const FileKey& key, const LockOwner* except, std::int64_t first,
                                std::int64_t last) const {
  std::vector<std::pair<std::uint32_t, LockOwnerPointer>> candidates;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = owners_.lower_bound(Key{key, {}, 0}); at != owners_.end() && at->first.file == key; ++at) {
      if (at->second.get() != except) candidates.emplace_back(at->first.process, at->second);
    }
  }
  for (const auto& [process, owner] : candidates) {
    const std::lock_guard lock(owner->mutex);
    if (owner->ranges.overlaps(first, last)) return process;
  }
  return 0;
}

template <class Wanted>
void LockTable::release_if(Wanted is_wanted) {
  std::vector<LockOwnerPointer> released;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(owners_, [&](const auto& entry) {
      if (!is_wanted(entry.first)) return false;
      released.push_back(entry.second);
      return true;
    });
  }
  for (const LockOwnerPointer& owner : released) {
    const std::lock_guard lock(owner->mutex);
    owner->is_released = true;
    if (!owner->fd) continue;
    // Not left to close(): who waits on the description keeps it open.
    lock_range(owner->fd->get(), {.first = 0, .last = INT64_MAX, .type = F_UNLCK});
    owner->ranges.clear();
  }
}

void LockTable::release(const ClientLife& client, std::uint32_t process, const FileKey& key) {
  release_if([&](const Key& k) { return k.client == client.id && k.process == process && k.file == key; });
}

void LockTable::release(const ClientLife& client, std::uint32_t process) {
  release_if([&](const Key& k) { return k.client == client.id && k.process == process; });
}

void LockTable::release(const ClientLife& client) {
  release_if([&](const Key& k) { return k.client == client.id; });
}

std::size_t LockTable::size() const {
  const std::lock_guard lock(mutex_);
  return owners_.size();
}

}  // namespace qnet::exec
