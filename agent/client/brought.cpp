// SPDX-License-Identifier: Apache-2.0
#include "agent/client/brought.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "transport/base/raw_syscall.hpp"

namespace qnet::client::brought {
namespace {

/// In `state`: what is kept. For a file the low 32 bits are the offset.
constexpr std::uint64_t kIsFile = std::uint64_t{1} << 63, kIsListing = std::uint64_t{1} << 62;
constexpr std::uint64_t kOffsetMask = 0xffff'ffff;

/// Text of limited length in zeroed memory.
template <std::size_t kBytes>
class Text {
 public:
  bool assign(std::string_view text) {
    size_ = text.size() <= kBytes ? text.size() : 0;
    std::memcpy(memory_, text.data(), size_);
    return size_ == text.size();
  }
  std::string_view view() const { return {memory_, size_}; }

 private:
  char memory_[kBytes] = {};
  std::size_t size_ = 0;
};

// All of it is written by the keep functions only, while nobody looks.
struct File {
  HandleId handle;
  int fd = 0;
  Text<kTargetBytesMax> target;
  wire::Attributes attributes;
  std::size_t size_bytes = 0;  // 0: the contents are not known
  std::byte contents[wire::kContentsBytesMax] = {};
};
/// The directory that was opened last.
struct Directory {
  HandleId handle;
  HandleId base;  // what `path` is relative to
  Text<kTargetBytesMax> target;
  Text<wire::kPathBytesMax> path;
};
struct Listing {
  HandleId handle;
  bool has_attributes = false;
  std::size_t size_bytes = 0;
  std::byte entries[kListingBytesMax] = {};
};

constinit File file;
constinit Directory directory;
constinit Listing listing;
constinit long thread = 0;
/// Where in `listing` the entry lies that will be asked for next.
constinit std::atomic<std::size_t> next_entry = 0;
constinit std::atomic<bool> has_asked = false;
/// How many look at it; -1: it is being changed.
constinit std::atomic<int> lookers = 0;
/// CLOCK_MONOTONIC, nanoseconds; 0: too old whatever the time.
constinit std::atomic<std::int64_t> arrived_ns = 0;

class Look {
 public:
  Look() {
    int count = lookers.load();
    while (count >= 0 && !lookers.compare_exchange_weak(count, count + 1)) {
    }
    is_allowed_ = count >= 0;
  }
  ~Look() {
    if (is_allowed_) lookers.fetch_sub(1);
  }
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;
  explicit operator bool() const { return is_allowed_; }

 private:
  bool is_allowed_;
};

/// Alone with the memory, if nobody else is there and nothing is kept.
class Change {
 public:
  Change() {
    int nobody = 0;
    is_alone_ = lookers.compare_exchange_strong(nobody, -1);
  }
  ~Change() {
    if (is_alone_) lookers.store(0);
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  explicit operator bool() const { return is_alone_ && state.load() == 0; }

 private:
  bool is_alone_;
};

constinit std::atomic<std::int64_t (*)()> clock_of_test = nullptr;

std::int64_t now_ns() {
  if (const auto clock = clock_of_test.load(std::memory_order_relaxed)) return clock();
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

void publish(std::uint64_t kind) {
  thread = raw_syscall(SYS_gettid);
  arrived_ns.store(now_ns(), std::memory_order_relaxed);
  state.store(kind);
}

bool is_fresh() {
  if (thread != raw_syscall(SYS_gettid)) return false;
  const std::int64_t arrived = arrived_ns.load(std::memory_order_relaxed);
  return arrived != 0 && now_ns() - arrived <= kAgeMaxNs;
}

bool may_answer(HandleId handle) {
  return (state.load() & kIsFile) != 0 && file.handle == handle && is_fresh();
}

std::size_t room_of(std::span<const iovec> pieces) {
  std::size_t room = 0;
  for (const iovec& piece : pieces) room += piece.iov_len;
  return room;
}

/// Copies by the kernel, so that memory which the program does not have is EFAULT and not a signal. -1: it cannot.
ssize_t deliver(std::size_t offset, std::size_t count, std::span<const iovec> into) {
  if (count == 0) return 0;
  // No more memory than is filled: the kernel would fault in and pin all of it.
  iovec pieces[kPiecesMax];
  std::size_t used = 0;
  for (std::size_t left = count; left > 0 && used < kPiecesMax; ++used) {
    pieces[used] = {into[used].iov_base, std::min(left, into[used].iov_len)};
    left -= pieces[used].iov_len;
  }
  const iovec from{file.contents + offset, count};
  const long delivered = raw_syscall(SYS_process_vm_writev, raw_syscall(SYS_getpid), &from, 1, pieces, used, 0);
  if (delivered == -EFAULT) return -EFAULT;
  return delivered == static_cast<long>(count) ? delivered : -1;
}

/// The name of an entry of the listing that `path` at `place` says, or nothing.
std::string_view entry_name(const Place& place, std::string_view path) {
  std::string_view name;
  if (place.handle == listing.handle) {
    name = path;
  } else if (directory.handle == listing.handle && place.handle == directory.base &&
             place.target == directory.target.view() && path.starts_with(directory.path.view())) {
    name = path.substr(directory.path.view().size());
    if (!directory.path.view().ends_with('/')) {
      if (!name.starts_with('/')) return {};
      name.remove_prefix(1);
    }
  }
  const bool is_one = !name.empty() && name.find('/') == std::string_view::npos && name != "." && name != "..";
  return is_one ? name : std::string_view();
}

/// Looks for the entry from where the last one was found. Most programs ask in the order of the listing.
bool find_entry(std::string_view name, wire::Attributes& found) {
  const ByteView all = ByteView(listing.entries).first(listing.size_bytes);
  const std::size_t start = next_entry.load(std::memory_order_relaxed);
  for (const auto& [from, to] : {std::pair{start, all.size()}, std::pair{std::size_t{0}, start}}) {
    ByteView left = all.first(to).subspan(from);
    wire::DirectoryEntry entry;
    for (;;) {
      const Result<bool> taken = wire::take_entry(left, listing.has_attributes, entry, found);
      if (!taken) return false;
      if (!*taken) break;
      if (entry.name != name) continue;
      next_entry.store(to - left.size(), std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

}  // namespace

constinit std::atomic<std::uint64_t> state = 0;

void keep(const Place& place, HandleId handle, int fd, const wire::Attributes& attributes, ByteView contents) {
  const Change change;
  if (!change || !file.target.assign(place.target)) return;
  file.handle = handle;
  file.fd = fd;
  file.attributes = attributes;
  file.size_bytes = contents.size() <= sizeof file.contents ? contents.size() : 0;
  if (file.size_bytes != 0) std::memcpy(file.contents, contents.data(), file.size_bytes);
  publish(kIsFile);
}

void name_directory(const Place& place, HandleId handle) {
  const Change change;
  if (!change) return;
  directory.handle = HandleId();
  directory.base = place.handle;
  if (directory.target.assign(place.target) && directory.path.assign(place.path)) directory.handle = handle;
}

void keep_listing(HandleId handle, ByteView entries, bool has_attributes) {
  const Change change;
  if (!change || entries.empty() || entries.size() > sizeof listing.entries) return;
  listing.handle = handle;
  listing.has_attributes = has_attributes;
  listing.size_bytes = entries.size();
  std::memcpy(listing.entries, entries.data(), entries.size());
  next_entry.store(0, std::memory_order_relaxed);
  publish(kIsListing);
}

bool wants_attributes() {
  return has_asked.load(std::memory_order_relaxed);
}

bool attributes(HandleId handle, wire::Attributes& found) {
  if (state.load(std::memory_order_relaxed) == 0) return false;
  const Look look;
  if (!look || !may_answer(handle)) return false;
  found = file.attributes;
  return true;
}

bool attributes_of_entry(const Place& place, std::string_view path, bool follows, wire::Attributes& found) {
  if ((state.load(std::memory_order_relaxed) & kIsListing) == 0) return false;
  const Look look;
  if (!look || (state.load() & kIsListing) == 0 || !is_fresh()) return false;
  const std::string_view name = entry_name(place, path);
  if (name.empty() || !find_entry(name, found)) return false;
  has_asked.store(true, std::memory_order_relaxed);
  if (!listing.has_attributes || found.mask == 0) return false;
  return !(follows && S_ISLNK(found.mode));
}

std::optional<ssize_t> read(HandleId handle, std::span<const iovec> into, std::int64_t offset) {
  if (state.load(std::memory_order_relaxed) == 0) return std::nullopt;
  const Look look;
  if (!look || !may_answer(handle) || file.size_bytes == 0) return std::nullopt;
  const bool moves = offset < 0;
  for (std::uint64_t before = state.load();;) {
    if ((before & kIsFile) == 0) return std::nullopt;
    const std::uint64_t from = moves ? before & kOffsetMask : static_cast<std::uint64_t>(offset);
    const std::size_t left = from < file.size_bytes ? file.size_bytes - from : 0;
    const ssize_t count = deliver(from, std::min(left, room_of(into)), into);
    if (count == -1) return std::nullopt;
    if (count < 0 || !moves) return count;
    if (state.compare_exchange_weak(before, before + static_cast<std::uint64_t>(count))) return count;
  }
}

std::optional<std::int64_t> seek(HandleId handle, std::int64_t offset, int whence) {
  if (state.load(std::memory_order_relaxed) == 0) return std::nullopt;
  const Look look;
  if (!look || !may_answer(handle) || file.size_bytes == 0) return std::nullopt;
  for (std::uint64_t before = state.load();;) {
    if ((before & kIsFile) == 0) return std::nullopt;
    std::int64_t base = 0;
    if (whence == SEEK_CUR) base = static_cast<std::int64_t>(before & kOffsetMask);
    else if (whence == SEEK_END) base = static_cast<std::int64_t>(file.size_bytes);
    else if (whence != SEEK_SET) return std::nullopt;
    constexpr std::int64_t kFarthest = std::numeric_limits<std::int32_t>::max();
    if (offset < -base || offset > kFarthest - base) return std::nullopt;  // The owner says what is wrong with it.
    const std::int64_t target = base + offset;
    if (state.compare_exchange_weak(before, kIsFile | static_cast<std::uint64_t>(target))) return target;
  }
}

void tell_owner() {
  const Look look;
  if (!look) return;  // It is being changed: there is nothing yet.
  const std::uint64_t taken = state.exchange(0);
  const auto offset = static_cast<std::int64_t>(taken & kOffsetMask);
  if ((taken & kIsFile) == 0 || offset == 0) return;
  const wire::SeekRequest request{offset, SEEK_SET};
  SmallExchange exchange;
  CallOptions options;
  const Place place{file.target.view(), file.handle, {}};
  // A failure shows again in the call that is about to be made, unless the file is closed already.
  static_cast<void>(call<wire::SeekReply>(wire::Opcode::kSeek, place, request, exchange, options));
}

void use_clock(std::int64_t (*clock)()) {
  clock_of_test.store(clock);
}

void make_old() {
  arrived_ns.store(0, std::memory_order_relaxed);
}

void drop_if(unsigned first_fd, unsigned last_fd) {
  const Look look;
  if (!look || (state.load() & kIsFile) == 0) return;
  const auto fd = static_cast<unsigned>(file.fd);
  if (fd >= first_fd && fd <= last_fd) state.store(0);
}

}  // namespace qnet::client::brought
