// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/handle_table.hpp"

#include <sys/random.h>

#include "transport/base/check.hpp"

namespace qnet::exec {

void mark_waiting(Job& job, const OpenFilePointer& file) {
  if (job.wait_mark) return;
  file->waiting.fetch_add(1);
  job.wait_mark = std::shared_ptr<void>(file.get(), [file](void*) { file->waiting.fetch_sub(1); });
}

Result<HandleId> HandleTable::insert(OpenFilePointer file) {
  const std::lock_guard lock(mutex_);
  if (file->client->is_gone.load()) return fail(ESTALE, "handles: the client is gone");
  if (const Status taken = quota_.take(file->opener, file->fd.get()); !taken) return fail(taken.error());
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
  quota_.give_back(file->opener);
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
    quota_.give_back(at->second->opener);
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
