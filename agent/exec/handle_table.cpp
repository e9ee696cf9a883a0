// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/handle_table.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include "transport/base/check.hpp"

namespace qnet::exec {

void mark_waiting(Job& job, const OpenFilePointer& file) {
  if (job.wait_mark) return;
  file->waiting.fetch_add(1);
  job.wait_mark = std::shared_ptr<void>(file.get(), [file](void*) { file->waiting.fetch_sub(1); });
}

HandleTable::HandleTable(std::size_t handles_max, std::size_t caller_handles_max)
    : quota_(handles_max, caller_handles_max), any_(::eventfd(0, EFD_CLOEXEC)) {
  QNET_CHECK(any_.get() >= 0);
}

Result<HandleQuota::Share> HandleTable::reserve(std::uint32_t user) {
  const UniqueFd lowest(::fcntl(any_.get(), F_DUPFD_CLOEXEC, 0));
  if (!lowest) return fail(errno == EMFILE ? ENFILE : errno, "descriptors");  // Ours, not the user's.
  return quota_.take(user, lowest.get());
}

Result<HandleId> HandleTable::insert(OpenFilePointer file) {
  const std::lock_guard lock(mutex_);
  if (file->client->is_gone.load()) return fail(ESTALE, "handles: the client is gone");
  HandleId handle = next_id();
  while (files_.contains(handle)) handle = next_id();
  files_.emplace(handle, std::move(file));
  opened_.fetch_add(1, std::memory_order_relaxed);
  return handle;
}

Result<OpenFilePointer> HandleTable::find(const ClientLife& client, HandleId handle) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(handle);
  if (found == files_.end()) return fail(ESTALE, "handles: unknown");
  if (found->second->client->id != client.id) return fail(EBADF, "handles: another client's");
  return found->second;
}

Result<OpenFilePointer> HandleTable::remove(const ClientLife& client, HandleId handle) {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(handle);
  if (found == files_.end()) return fail(ESTALE, "handles: unknown");
  if (found->second->client->id != client.id) return fail(EBADF, "handles: another client's");
  OpenFilePointer file = std::move(found->second);
  files_.erase(found);
  return file;
}

std::vector<OpenFilePointer> HandleTable::drop(ClientLife& client) {
  std::vector<OpenFilePointer> dropped;
  const std::lock_guard lock(mutex_);
  client.is_gone.store(true);
  for (auto at = files_.begin(); at != files_.end();) {
    if (at->second->client->id != client.id) {
      ++at;
      continue;
    }
    dropped.push_back(std::move(at->second));
    at = files_.erase(at);
  }
  return dropped;
}

std::size_t HandleTable::size() const {
  const std::lock_guard lock(mutex_);
  return files_.size();
}

/// Random, so that a peer cannot guess one; 0 means "no handle".
HandleId HandleTable::next_id() {
  for (;;) {
    if (random_left_ == 0) {
      const ssize_t got = ::getrandom(random_.data(), sizeof random_, 0);
      QNET_CHECK(got == static_cast<ssize_t>(sizeof random_));  // Up to 256 bytes are never cut short.
      random_left_ = random_.size();
    }
    const HandleId id{random_[--random_left_]};
    if (!id.is_none()) return id;
  }
}

}  // namespace qnet::exec
