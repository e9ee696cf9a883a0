// SPDX-License-Identifier: Apache-2.0
//
// remote_directory.hpp: what is a DIR* whose directory is remote?
//
// An object of ours in an address range of ours, so that one comparison tells it from libc's. At most kDirectoriesMax
// are open at a time; memory is taken from the kernel when an object is first used.
//
// Threads:  two threads may read one stream, as with libc's.
#pragma once

#include <dirent.h>
#include <pthread.h>

#include <cstddef>

#include "preload/fd_table.hpp"
#include "transport/base/result.hpp"

namespace qnet::preload {

class RemoteDirectory {
 public:
  static constexpr std::size_t kDirectoriesMax = 1024;
  /// One ReadDirectory; libc asks its kernel for as much.
  static constexpr std::size_t kBatchBytes = 32 << 10;

  /// Takes over `fd`. Null and errno: ENOTDIR, EBADF (O_PATH), EMFILE (too many), ENOMEM.
  static RemoteDirectory* open(const RemoteFd& found);
  /// The object behind `stream`, or null if it is libc's.
  static RemoteDirectory* from(DIR* stream);
  DIR* as_stream() { return reinterpret_cast<DIR*>(this); }
  int fd() const { return fd_; }

  /// Null at the end, with errno as it was; null and errno on failure.
  struct dirent* next();
  /// next() into the caller's memory; the result of readdir_r().
  int next_into(struct dirent* entry, struct dirent** result);
  long position();
  void go_to(long position);
  /// Frees the object and returns the descriptor, which the caller closes.
  int release();

 private:
  Result<bool> fill();  // False at the end.
  struct dirent* next_unlocked();

  int fd_;
  pthread_mutex_t lock_;
  long position_;  // of the entry that comes next
  std::size_t read_at_, read_end_;
  bool has_attributes_;  // of the entries in batch_
  struct dirent entry_;
  std::byte batch_[kBatchBytes];
};

/// getdents64(2) on a remote directory.
ssize_t list_directory(const RemoteFd& found, void* buffer, std::size_t room);

}  // namespace qnet::preload
