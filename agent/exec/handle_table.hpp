// SPDX-License-Identifier: Apache-2.0
//
// handle_table.hpp: which open file is behind this handle, and whose is it?
//
// Any thread. A handle is random and belongs to one client. Whoever found an OpenFile may use it until he lets go of
// it, also while it is being closed: the descriptor goes with the last user.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "agent/exec/handle_quota.hpp"
#include "agent/exec/job.hpp"
#include "transport/base/result.hpp"
#include "transport/base/unique_fd.hpp"
#include "transport/wire/handle_name.hpp"

namespace qnet::exec {

/// Which file it is, whatever its name.
struct FileKey {
  std::uint32_t device_major = 0, device_minor = 0;
  std::uint64_t inode = 0;
  auto operator<=>(const FileKey&) const = default;
};

/// What a file's reads cost at worst, as far as we know.
enum class Cache : std::uint8_t {
  kTells,    ///< the file system says "not in the cache" instead of reading the disk
  kMemory,   ///< there is nothing but memory
  kUnknown,  ///< it may take its time
};

struct OpenFile {
  HandleQuota::Share share;
  UniqueFd fd;
  std::shared_ptr<ClientLife> client;
  wire::HandleKind kind = wire::HandleKind::kFile;
  std::uint32_t opener = 0;  // the user who opened it
  int access = 0;            // O_ACCMODE of the application's flags; nothing for O_PATH
  FileKey key;
  bool is_root = false;  // the node's root directory
  bool is_terminal = false;
  /// FIFO or character device: our descriptor is always O_NONBLOCK, waiting is the waiter's business.
  std::atomic<bool> may_wait = false;
  std::atomic<bool> wants_nonblock = false;  // the application's O_NONBLOCK, where may_wait
  std::atomic<bool> is_direct = false;       // O_DIRECT: memory must be aligned
  std::atomic<Cache> cache = Cache::kTells;
  std::atomic<int> waiting = 0;  // jobs that wait for it
  /// Held around regular I/O at the current offset, as the kernel does itself: shows who would have to wait.
  std::mutex position_mutex;
};
using OpenFilePointer = std::shared_ptr<OpenFile>;

/// From now on until it is answered the job counts as waiting for the file.
void mark_waiting(Job& job, const OpenFilePointer& file);

class HandleTable {
 public:
  HandleTable(std::size_t handles_max, std::size_t caller_handles_max);

  /// For OpenFile::share, before the file is opened. Errors: those of HandleQuota::take(), and of dup(2).
  [[nodiscard]] Result<HandleQuota::Share> reserve(std::uint32_t user);
  /// Errors: ESTALE when the client is gone.
  [[nodiscard]] Result<HandleId> insert(OpenFilePointer file);
  /// Errors: ESTALE for one that never was or is closed; EBADF for another client's.
  [[nodiscard]] Result<OpenFilePointer> find(const ClientLife& client, HandleId handle) const;
  /// Takes it out; the descriptor closes when the result and all other users are gone.
  [[nodiscard]] Result<OpenFilePointer> remove(const ClientLife& client, HandleId handle);
  /// Takes out all of a client and refuses new ones from now on.
  std::vector<OpenFilePointer> drop(ClientLife& client);

  std::size_t size() const;
  std::uint64_t opened() const { return opened_.load(std::memory_order_relaxed); }

 private:
  HandleId next_id();

  mutable std::mutex mutex_;
  std::unordered_map<HandleId, OpenFilePointer> files_;
  HandleQuota quota_;
  const UniqueFd any_;  // to be duplicated: which is the lowest free number?
  std::array<std::uint64_t, 32> random_{};
  std::size_t random_left_ = 0;
  std::atomic<std::uint64_t> opened_ = 0;
};

}  // namespace qnet::exec
