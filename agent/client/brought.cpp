// SPDX-License-Identifier: Apache-2.0
#include "agent/client/brought.hpp"

#include <fcntl.h>
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

/// In `state`: something is kept; the low 32 bits are the offset.
constexpr std::uint64_t kIsKept = std::uint64_t{1} << 63;
constexpr std::uint64_t kOffsetMask = 0xffff'ffff;

/// Written by keep() only, while nobody looks.
struct File {
  HandleId handle;
  int fd = 0;
  long thread = 0;
  char target[kTargetBytesMax] = {};
  std::size_t target_bytes = 0;
  wire::Attributes attributes;
  std::size_t size_bytes = 0;  // 0: the contents are not known
  std::byte contents[wire::kContentsBytesMax] = {};
};

constinit File file;
/// How many look at `file`; -1: keep() changes it.
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

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

bool may_answer(HandleId handle) {
  if ((state.load() & kIsKept) == 0 || file.handle != handle) return false;
  if (file.thread != raw_syscall(SYS_gettid)) return false;
  const std::int64_t arrived = arrived_ns.load(std::memory_order_relaxed);
  return arrived != 0 && now_ns() - arrived <= kAgeMaxNs;
}

std::size_t room_of(std::span<const iovec> pieces) {
  std::size_t room = 0;
  for (const iovec& piece : pieces) room += piece.iov_len;
  return room;
}

/// Copies by the kernel, so that memory which the program does not have is EFAULT and not a signal. -1: it cannot.
ssize_t deliver(std::size_t offset, std::size_t count, std::span<const iovec> into) {
  if (count == 0) return 0;
  const iovec from{file.contents + offset, count};
  const long delivered =
      raw_syscall(SYS_process_vm_writev, raw_syscall(SYS_getpid), &from, 1, into.data(), into.size(), 0);
  if (delivered == -EFAULT) return -EFAULT;
  return delivered == static_cast<long>(count) ? delivered : -1;
}

}  // namespace

constinit std::atomic<std::uint64_t> state = 0;

void keep(const Place& place, HandleId handle, int fd, const wire::Attributes& attributes, ByteView contents) {
  int nobody = 0;
  if (place.target.size() > sizeof file.target || !lookers.compare_exchange_strong(nobody, -1)) return;
  if (state.load() == 0) {
    file.handle = handle;
    file.fd = fd;
    file.thread = raw_syscall(SYS_gettid);
    std::memcpy(file.target, place.target.data(), place.target.size());
    file.target_bytes = place.target.size();
    file.attributes = attributes;
    file.size_bytes = std::min(contents.size(), sizeof file.contents);
    if (file.size_bytes != 0) std::memcpy(file.contents, contents.data(), file.size_bytes);
    arrived_ns.store(now_ns(), std::memory_order_relaxed);
    state.store(kIsKept);
  }
  lookers.store(0);
}

bool attributes(HandleId handle, wire::Attributes& found) {
  if (state.load(std::memory_order_relaxed) == 0) return false;
  const Look look;
  if (!look || !may_answer(handle)) return false;
  found = file.attributes;
  return true;
}

std::optional<ssize_t> read(HandleId handle, std::span<const iovec> into, std::int64_t offset) {
  if (state.load(std::memory_order_relaxed) == 0) return std::nullopt;
  const Look look;
  if (!look || !may_answer(handle) || file.size_bytes == 0) return std::nullopt;
  const bool moves = offset < 0;
  for (std::uint64_t before = state.load();;) {
    if ((before & kIsKept) == 0) return std::nullopt;
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
    if ((before & kIsKept) == 0) return std::nullopt;
    std::int64_t base = 0;
    if (whence == SEEK_CUR) base = static_cast<std::int64_t>(before & kOffsetMask);
    else if (whence == SEEK_END) base = static_cast<std::int64_t>(file.size_bytes);
    else if (whence != SEEK_SET) return std::nullopt;
    constexpr std::int64_t kFarthest = std::numeric_limits<std::int32_t>::max();
    if (offset < -base || offset > kFarthest - base) return std::nullopt;  // The owner says what is wrong with it.
    const std::int64_t target = base + offset;
    if (state.compare_exchange_weak(before, kIsKept | static_cast<std::uint64_t>(target))) return target;
  }
}

void tell_owner() {
  const Look look;
  if (!look) return;  // keep() is at work: there is nothing yet.
  const std::uint64_t taken = state.exchange(0);
  const auto offset = static_cast<std::int64_t>(taken & kOffsetMask);
  if ((taken & kIsKept) == 0 || offset == 0) return;
  const wire::SeekRequest request{offset, SEEK_SET};
  SmallExchange exchange;
  CallOptions options;
  const Place place{{file.target, file.target_bytes}, file.handle, {}};
  // A failure shows again in the call that is about to be made, unless the file is closed already.
  static_cast<void>(call<wire::SeekReply>(wire::Opcode::kSeek, place, request, exchange, options));
}

void make_old() {
  arrived_ns.store(0, std::memory_order_relaxed);
}

void drop_if(unsigned first_fd, unsigned last_fd) {
  const Look look;
  if (!look) return;
  const auto fd = static_cast<unsigned>(file.fd);
  if (fd >= first_fd && fd <= last_fd) state.store(0);
}

}  // namespace qnet::client::brought
