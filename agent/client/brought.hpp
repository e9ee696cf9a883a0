// SPDX-License-Identifier: Apache-2.0
//
// brought.hpp: what did the last reply bring along, and may it still answer? (the exception in design 1)
//
// An Open brings attributes and the contents of a small file; they answer fstat, read, pread and lseek. A ReadDirectory
// may bring the attributes of the entries; they answer stat. They answer the thread that asked, until the process makes
// a remote call, or waits for or receives something, and for kAgeMaxNs at most. What is read here moves an offset that
// is only noted here: settle() tells the owner, before anything that could notice.
//
// One file or one listing at a time, in zeroed memory. A signal handler or a thread that comes in between finds nothing
// and asks.
// Threads:  any; signal-safe.
#pragma once

#include <atomic>
#include <optional>

#include "agent/client/client.hpp"

namespace qnet::client::brought {

/// Longest listing that is kept.
inline constexpr std::size_t kListingBytesMax = 32 << 10;
/// In nanoseconds, from the arrival of the reply.
inline constexpr std::int64_t kAgeMaxNs = 1'000'000;

/// Not 0 while there is something; for the inline parts below only.
extern constinit std::atomic<std::uint64_t> state;

/// After the Open of a file, by the thread that made it. Keeps nothing while another thread is at it. `contents`: the
/// whole file; empty: not known.
void keep(const Place& place, HandleId handle, int fd, const wire::Attributes& attributes, ByteView contents);

/// After the Open of a directory: what its entries are called by path.
void name_directory(const Place& place, HandleId handle);
/// After a ReadDirectory on `handle`, by the thread that made it. `entries` as they came, each with its attributes if
/// they were asked for.
void keep_listing(HandleId handle, ByteView entries, bool has_attributes);
/// True once this process has asked for attributes of entries just listed: listings should bring them.
bool wants_attributes();

/// False: ask the owner.
bool attributes(HandleId handle, wire::Attributes& found);
/// lstat(2), or stat(2) with `follows`, of an entry just listed. False: ask.
bool attributes_of_entry(const Place& place, std::string_view path, bool follows, wire::Attributes& found);
/// Bytes delivered, 0 at the end of the file; -EFAULT. `offset` -1: the current one, which moves. Nothing: ask.
std::optional<ssize_t> read(HandleId handle, std::span<const iovec> into, std::int64_t offset);
/// The new offset. Nothing: ask.
std::optional<std::int64_t> seek(HandleId handle, std::int64_t offset, int whence);

/// Nanoseconds. For tests: the age of what is kept goes by `clock` from now on; null: CLOCK_MONOTONIC.
void use_clock(std::int64_t (*clock)());

/// The slow parts.
void tell_owner();
void make_old();
void drop_if(unsigned first_fd, unsigned last_fd);

/// Forgets everything, having told the owner the offset if it has moved. Before every remote call, and before another
/// process or another descriptor number gets a share in an open file.
inline void settle() {
  if (state.load(std::memory_order_relaxed) != 0) tell_owner();
}
/// The process has waited for, or received, something that others may have sent after a change.
inline void received() {
  if (state.load(std::memory_order_relaxed) != 0) make_old();
}
/// These numbers are being closed.
inline void closing(unsigned first_fd, unsigned last_fd) {
  if (state.load(std::memory_order_relaxed) != 0) drop_if(first_fd, last_fd);
}
/// In the child after fork: what was kept is the parent's.
inline void forget() {
  state.store(0, std::memory_order_relaxed);
}

}  // namespace qnet::client::brought
