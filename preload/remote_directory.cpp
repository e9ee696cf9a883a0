// SPDX-License-Identifier: Apache-2.0
#include "preload/remote_directory.hpp"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include "agent/client/brought.hpp"
#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

namespace qnet::preload {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kSlotBytes = (sizeof(RemoteDirectory) + kPageBytes - 1) & ~(kPageBytes - 1);
constexpr std::size_t kArenaBytes = kSlotBytes * RemoteDirectory::kDirectoriesMax;
constexpr std::size_t kWords = RemoteDirectory::kDirectoriesMax / 64;

std::atomic<std::byte*> arena = nullptr;
std::atomic<std::uint64_t> used_slots[kWords];

/// Only address space; the kernel gives memory page by page.
std::byte* reserve_arena() {
  std::byte* const known = arena.load(std::memory_order_acquire);
  if (known != nullptr) return known;
  const long mapped = raw_syscall(SYS_mmap, nullptr, kArenaBytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (is_raw_error(mapped)) {
    errno = ENOMEM;
    return nullptr;
  }
  auto* const fresh = reinterpret_cast<std::byte*>(mapped);
  std::byte* other = nullptr;
  if (arena.compare_exchange_strong(other, fresh, std::memory_order_acq_rel)) return fresh;
  raw_syscall(SYS_munmap, fresh, kArenaBytes);
  return other;
}

/// Index of a slot that is ours from now on, or -1.
int take_slot() {
  for (std::size_t word = 0; word < kWords; ++word) {
    std::uint64_t used = used_slots[word].load(std::memory_order_relaxed);
    while (used != UINT64_MAX) {
      const std::uint64_t bit = ~used & (used + 1);
      if (used_slots[word].compare_exchange_weak(used, used | bit, std::memory_order_acquire)) {
        return static_cast<int>(word * 64 + static_cast<std::size_t>(__builtin_ctzll(bit)));
      }
    }
  }
  return -1;
}

void free_slot(std::byte* slot, std::size_t index) {
  // The first few keep their memory: most programs have one directory open at a time.
  constexpr std::size_t kWarmSlots = 8;
  if (index >= kWarmSlots) raw_syscall(SYS_madvise, slot, kSlotBytes, MADV_DONTNEED);
  used_slots[index / 64].fetch_and(~(std::uint64_t{1} << (index % 64)), std::memory_order_release);
}

/// How many bytes of entries the owner has sent, each with its attributes if wanted.
Result<std::size_t> read_entries(const RemoteFd& found, MutableBytes into, bool with_attributes) {
  if (found.error != 0) return fail(found.error, "handle");
  const wire::ReadDirectoryRequest request{.length_bytes = static_cast<std::uint32_t>(into.size()),
                                           .with_attributes = static_cast<std::uint8_t>(with_attributes ? 1 : 0)};
  client::SmallExchange exchange;
  const Result<ByteView> body = wire::encode(request, exchange.request);
  if (!body) return fail(body.error());
  const iovec piece{into.data(), into.size()};
  client::CallOptions options;
  options.prove_fd = found.fd;
  options.data_in = {&piece, 1};
  const Result<ByteView> reply = client::call_raw(
      wire::Opcode::kReadDirectory, client::Place{found.target(), found.handle, {}}, *body, exchange, options);
  if (!reply) return fail(reply.error());
  return options.received_bytes;
}

Status seek_entries(const RemoteFd& found, std::int64_t position) {
  const auto reply = ask_handle<wire::SeekReply>(found, wire::Opcode::kSeek,
                                                 wire::SeekRequest{.offset = position, .whence = SEEK_SET});
  if (!reply) return fail(reply.error());
  return {};
}

std::size_t record_bytes(std::size_t name_bytes) {
  return (offsetof(struct dirent, d_name) + name_bytes + 1 + 7) & ~std::size_t{7};
}

void fill_record(const wire::DirectoryEntry& entry, struct dirent& record) {
  record.d_ino = entry.inode;
  record.d_off = entry.next;
  record.d_reclen = static_cast<unsigned short>(record_bytes(entry.name.size()));
  record.d_type = entry.type;
  memcpy(record.d_name, entry.name.data(), entry.name.size());
  record.d_name[entry.name.size()] = '\0';
}

}  // namespace

RemoteDirectory* RemoteDirectory::open(const RemoteFd& found) {
  if (found.kind == wire::HandleKind::kPath) errno = EBADF;
  else if (!found.is_directory()) errno = ENOTDIR;
  else if (std::byte* const base = reserve_arena()) {
    const int index = take_slot();
    if (index >= 0) {
      auto* const directory = reinterpret_cast<RemoteDirectory*>(base + static_cast<std::size_t>(index) * kSlotBytes);
      directory->fd_ = found.fd;
      directory->lock_ = PTHREAD_MUTEX_INITIALIZER;
      directory->position_ = 0;
      directory->read_at_ = directory->read_end_ = 0;
      directory->has_attributes_ = false;
      return directory;
    }
    errno = EMFILE;
  }
  return nullptr;
}

RemoteDirectory* RemoteDirectory::from(DIR* stream) {
  std::byte* const base = arena.load(std::memory_order_acquire);
  auto* const address = reinterpret_cast<std::byte*>(stream);
  if (base == nullptr || address < base || address >= base + kArenaBytes) return nullptr;
  return reinterpret_cast<RemoteDirectory*>(stream);
}

Result<bool> RemoteDirectory::fill() {
  RemoteFd found;
  if (!find_remote(fd_, found)) return fail(EBADF, "handle");
  has_attributes_ = client::brought::wants_attributes();
  const Result<std::size_t> count = read_entries(found, {batch_, kBatchBytes}, has_attributes_);
  if (!count) return fail(count.error());
  client::brought::keep_listing(found.handle, ByteView(batch_).first(*count), has_attributes_);
  read_at_ = 0;
  read_end_ = *count;
  return *count > 0;
}

struct dirent* RemoteDirectory::next_unlocked() {
  if (read_at_ == read_end_) {
    const Result<bool> has_more = fill();
    if (!has_more) {
      // A directory removed meanwhile has no entries; libc says so, too.
      if (has_more.error().code != ENOENT) errno = has_more.error().code;
      return nullptr;
    }
    if (!*has_more) return nullptr;
  }
  ByteView entries(batch_ + read_at_, read_end_ - read_at_);
  wire::DirectoryEntry entry;
  wire::Attributes attributes;  // Kept for those who ask: brought.hpp.
  const Result<bool> taken = wire::take_entry(entries, has_attributes_, entry, attributes);
  if (!taken || !*taken) {
    read_at_ = read_end_;
    if (!taken) errno = taken.error().code;
    return nullptr;
  }
  fill_record(entry, entry_);
  read_at_ = read_end_ - entries.size();
  position_ = entry.next;
  return &entry_;
}

struct dirent* RemoteDirectory::next() {
  pthread_mutex_lock(&lock_);
  struct dirent* const entry = next_unlocked();
  pthread_mutex_unlock(&lock_);
  return entry;
}

int RemoteDirectory::next_into(struct dirent* entry, struct dirent** result) {
  const KeepErrno keep;
  pthread_mutex_lock(&lock_);
  errno = 0;
  const struct dirent* const found = next_unlocked();
  const int error = errno;
  if (found != nullptr) memcpy(entry, found, found->d_reclen);
  pthread_mutex_unlock(&lock_);
  *result = found != nullptr ? entry : nullptr;
  return found != nullptr ? 0 : error;
}

long RemoteDirectory::position() {
  pthread_mutex_lock(&lock_);
  const long position = position_;
  pthread_mutex_unlock(&lock_);
  return position;
}

void RemoteDirectory::go_to(long position) {
  const KeepErrno keep;
  pthread_mutex_lock(&lock_);
  RemoteFd found;
  if (find_remote(fd_, found)) static_cast<void>(seek_entries(found, position));
  position_ = position;
  read_at_ = read_end_ = 0;
  pthread_mutex_unlock(&lock_);
}

int RemoteDirectory::release() {
  const int fd = fd_;
  auto* const slot = reinterpret_cast<std::byte*>(this);
  free_slot(slot, static_cast<std::size_t>(slot - arena.load(std::memory_order_relaxed)) / kSlotBytes);
  return fd;
}

ssize_t list_directory(const RemoteFd& found, void* buffer, std::size_t room) {
  if (found.kind == wire::HandleKind::kPath) return refuse(EBADF);
  if (!found.is_directory()) return refuse(ENOTDIR);
  // A record is at most a third longer than its entry on the wire, so entries that fill the last three quarters of the
  // caller's memory can be unpacked from its start on. Less than 512 bytes cannot be asked for: a small caller gets
  // what fits, and the rest is given back by seeking.
  constexpr std::size_t kLeastBytes = 512;
  std::byte small[kLeastBytes];
  const bool is_small = room < kLeastBytes * 2;
  const std::size_t wanted = is_small ? kLeastBytes : std::min(room / 4 * 3, wire::kDataBytesMax);
  auto* const out = static_cast<std::byte*>(buffer);
  std::byte* const packed = is_small ? small : out + (room - wanted);
  const off_t start = is_small ? qnet_lseek(found.fd, 0, SEEK_CUR) : 0;
  if (start < 0) return -1;
  const Result<std::size_t> count = read_entries(found, {packed, wanted}, false);
  if (!count) return refuse(count.error().code);

  ByteView entries(packed, *count);
  std::size_t written = 0;
  std::int64_t next = start;
  for (;;) {
    wire::DirectoryEntry entry;
    wire::Attributes none;
    const Result<bool> taken = wire::take_entry(entries, false, entry, none);
    if (!taken) return refuse(taken.error().code);
    if (!*taken) return static_cast<ssize_t>(written);
    struct dirent record;
    fill_record(entry, record);
    if (written + record.d_reclen > room) break;
    memcpy(out + written, &record, record.d_reclen);
    written += record.d_reclen;
    next = entry.next;
  }
  const Status given_back = seek_entries(found, next);
  if (!given_back) return refuse(given_back.error().code);
  return written > 0 ? static_cast<ssize_t>(written) : refuse(EINVAL);
}

}  // namespace qnet::preload
