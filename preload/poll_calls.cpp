// SPDX-License-Identifier: Apache-2.0
//
// poll_calls.cpp: is a remote descriptor ready? (poll, select and their relatives; epoll_ctl)
//
// Files and directories are always ready, as the kernel says of its own, and cannot be put into an epoll set (EPERM).
// FIFOs and devices are asked at their owner. Waiting for them, alone or together with local descriptors, alternates
// between the owner and a short local wait of 1 to kSliceMaxMs milliseconds; the local wait also sees to signals.
// They are refused by epoll, too, because their socket does not carry events.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

#include "agent/client/brought.hpp"
#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

extern "C" [[noreturn]] void __chk_fail();

namespace qnet::preload {
namespace {

constexpr short kAlwaysReady = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
constexpr long kSliceMaxMs = 20;
constexpr long kNanosecondsPerSecond = 1'000'000'000;

/// Room for a copy of the caller's array, without malloc: poll() may be called in signal handlers.
class PollArray {
 public:
  static constexpr std::size_t kOnStack = 128;

  explicit PollArray(std::size_t count) {
    if (count <= kOnStack) return;
    bytes_ = count * sizeof(struct pollfd);
    const long mapped =
        raw_syscall(SYS_mmap, nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    entries_ = is_raw_error(mapped) ? nullptr : reinterpret_cast<struct pollfd*>(mapped);
  }
  ~PollArray() {
    if (bytes_ != 0 && entries_ != nullptr) raw_syscall(SYS_munmap, entries_, bytes_);
  }
  PollArray(const PollArray&) = delete;
  PollArray& operator=(const PollArray&) = delete;

  struct pollfd* get() {
    return entries_;
  }

 private:
  struct pollfd on_stack_[kOnStack];
  struct pollfd* entries_ = on_stack_;
  std::size_t bytes_ = 0;
};

/// A point in time, or never.
class Deadline {
 public:
  explicit Deadline(const struct timespec* timeout) : is_never_(timeout == nullptr) {
    if (is_never_) return;
    clock_gettime(CLOCK_MONOTONIC, &at_);
    constexpr long kFarAway_s = 1L << 40;
    at_.tv_sec += timeout->tv_sec > kFarAway_s ? kFarAway_s : timeout->tv_sec;
    at_.tv_nsec += timeout->tv_nsec;
    if (at_.tv_nsec >= kNanosecondsPerSecond) {
      at_.tv_nsec -= kNanosecondsPerSecond;
      ++at_.tv_sec;
    }
  }

  /// Zero when it is over; not to be asked if it is never.
  struct timespec remaining() const {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct timespec left {
      at_.tv_sec - now.tv_sec, at_.tv_nsec - now.tv_nsec
    };
    if (left.tv_nsec < 0) {
      left.tv_nsec += kNanosecondsPerSecond;
      --left.tv_sec;
    }
    return left.tv_sec < 0 ? timespec{0, 0} : left;
  }
  bool is_never() const { return is_never_; }
  bool is_over() const {
    if (is_never_) return false;
    const struct timespec left = remaining();
    return left.tv_sec == 0 && left.tv_nsec == 0;
  }
  /// At most `slice_ms` from now.
  struct timespec slice(long slice_ms) const {
    const struct timespec slice { 0, slice_ms * 1'000'000 };
    if (is_never_) return slice;
    const struct timespec left = remaining();
    return left.tv_sec > 0 || left.tv_nsec > slice.tv_nsec ? slice : left;
  }

 private:
  bool is_never_;
  struct timespec at_ {};
};

/// What the owner's kernel says now.
short events_of(const RemoteFd& found, short wanted) {
  if (found.kind == wire::HandleKind::kPath) return POLLNVAL;
  constexpr short kBroken = POLLERR | POLLHUP;
  if (found.error != 0) return static_cast<short>(kBroken | (wanted & kAlwaysReady));
  if (found.is_file() || found.is_directory()) return static_cast<short>(wanted & kAlwaysReady);
  const wire::PollRequest request{.events = static_cast<std::uint16_t>(wanted), .timeout_ms = 0};
  const auto reply = ask_handle<wire::PollReply>(found, wire::Opcode::kPoll, request);
  if (!reply) return static_cast<short>(kBroken | (wanted & kAlwaysReady));
  return static_cast<short>(reply->events);
}

/// Asks about every remote descriptor of `fds`; in `local`, where given, they are taken out. Returns how many are
/// ready.
int look_at_remote(struct pollfd* fds, std::size_t count, struct pollfd* local, bool& has_remote) {
  int ready = 0;
  for (std::size_t i = 0; i < count; ++i) {
    RemoteFd found;
    if (fds[i].fd < 0 || !may_be_remote(fds[i].fd) || !find_remote(fds[i].fd, found)) continue;
    has_remote = true;
    if (local == nullptr) return 0;
    local[i].fd = -1;
    fds[i].revents = events_of(found, fds[i].events);
    if (fds[i].revents != 0) ++ready;
  }
  return ready;
}

/// The kernel's condition; it has the better answer for everything else.
bool is_usable(const struct timespec* timeout) {
  return timeout == nullptr ||
         (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < kNanosecondsPerSecond);
}

bool has_remote_descriptor(struct pollfd* fds, std::size_t count) {
  bool has_remote = false;
  look_at_remote(fds, count, nullptr, has_remote);
  return has_remote;
}

/// Holds signals back, so that each arrives in a local wait, which it ends with EINTR, and none beside it.
class SignalPause {
 public:
  SignalPause() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalPause() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalPause(const SignalPause&) = delete;
  SignalPause& operator=(const SignalPause&) = delete;

  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_;
};

/// One look at everything with a local wait of at most `wait`. Returns how many are ready, or -1 and errno.
int look_once(struct pollfd* fds, std::size_t count, struct pollfd* local, const struct timespec& wait,
              const sigset_t* mask) {
  memcpy(local, fds, count * sizeof(*fds));
  bool has_remote = false;
  const int ready = look_at_remote(fds, count, local, has_remote);
  const struct timespec none { 0, 0 };
  int ready_local = libc().ppoll(local, count, ready > 0 ? &none : &wait, mask);
  if (ready_local < 0) {
    if (ready == 0 || errno != EINTR) return -1;
    ready_local = 0;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (fds[i].fd < 0) fds[i].revents = 0;
    else if (local[i].fd >= 0) fds[i].revents = ready_local > 0 ? local[i].revents : short{0};
  }
  return ready + ready_local;
}

/// ppoll(2) where at least one descriptor is remote.
int poll_mixed(struct pollfd* fds, std::size_t count, const Deadline& deadline, const sigset_t* mask) {
  PollArray local(count);
  if (local.get() == nullptr) return refuse(ENOMEM);
  const int ready_now = look_once(fds, count, local.get(), timespec{0, 0}, mask);
  if (ready_now != 0 || deadline.is_over()) return ready_now;
  const SignalPause pause;
  for (long slice_ms = 1;; slice_ms = std::min(slice_ms * 2, kSliceMaxMs)) {
    const bool is_last = deadline.is_over();
    const int ready =
        look_once(fds, count, local.get(), deadline.slice(slice_ms), mask != nullptr ? mask : &pause.before());
    if (ready != 0 || is_last) return ready;
  }
}

// ---- select(2) as poll

using Word = unsigned long;
constexpr int kWordBits = 8 * sizeof(Word);

bool has_bit(const fd_set* set, int fd) {
  return set != nullptr && (reinterpret_cast<const Word*>(set)[fd / kWordBits] >> (fd % kWordBits) & 1) != 0;
}
void set_bit(fd_set* set, int fd) {
  reinterpret_cast<Word*>(set)[fd / kWordBits] |= Word{1} << (fd % kWordBits);
}
void clear_bits(fd_set* set, int count) {
  if (set == nullptr) return;
  memset(set, 0, static_cast<std::size_t>((count + kWordBits - 1) / kWordBits) * sizeof(Word));
}

struct Sets {
  fd_set *readable, *writable, *exceptional;
};

bool is_empty_word(const Sets& sets, int word) {
  const auto bits = [word](const fd_set* set) {
    return set == nullptr ? Word{0} : reinterpret_cast<const Word*>(set)[word];
  };
  return (bits(sets.readable) | bits(sets.writable) | bits(sets.exceptional)) == 0;
}

// What each set means in events, as fs/select.c defines it.
constexpr short kReadableEvents = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
constexpr short kWritableEvents = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
constexpr short kExceptionalEvents = POLLPRI;

/// Fills `fds` where given; returns how many descriptors are in the sets.
std::size_t collect(int count, const Sets& sets, struct pollfd* fds, bool& may_have_remote) {
  std::size_t found = 0;
  for (int fd = 0; fd < count; ++fd) {
    if (fd % kWordBits == 0 && is_empty_word(sets, fd / kWordBits)) {
      fd += kWordBits - 1;
      continue;
    }
    short events = 0;
    if (has_bit(sets.readable, fd)) events |= kReadableEvents;
    if (has_bit(sets.writable, fd)) events |= kWritableEvents;
    if (has_bit(sets.exceptional, fd)) events |= kExceptionalEvents;
    if (events == 0) continue;
    if (may_be_remote(fd)) may_have_remote = true;
    if (fds != nullptr) fds[found] = {fd, events, 0};
    ++found;
  }
  return found;
}

int spread(const struct pollfd* fds, std::size_t found, int count, const Sets& asked) {
  for (std::size_t i = 0; i < found; ++i) {
    if ((fds[i].revents & POLLNVAL) != 0) return refuse(EBADF);
  }
  clear_bits(asked.readable, count);
  clear_bits(asked.writable, count);
  clear_bits(asked.exceptional, count);
  int ready = 0;
  const auto mark = [&ready](const struct pollfd& fd, fd_set* set, short meaning) {
    // An event that was not asked for (POLLERR, POLLHUP) counts only where the descriptor was in the set.
    if ((fd.events & meaning & ~POLLERR) == 0 || (fd.revents & meaning) == 0) return;
    set_bit(set, fd.fd);
    ++ready;
  };
  for (std::size_t i = 0; i < found; ++i) {
    if ((fds[i].events & POLLRDNORM) != 0) mark(fds[i], asked.readable, kReadableEvents);
    if ((fds[i].events & POLLWRNORM) != 0) mark(fds[i], asked.writable, kWritableEvents);
    if ((fds[i].events & POLLPRI) != 0) mark(fds[i], asked.exceptional, kExceptionalEvents);
  }
  return ready;
}

/// Nothing if no descriptor in the sets is remote: the real function shall do it.
bool select_mixed(int count, const Sets& sets, const Deadline& deadline, const sigset_t* mask, int& result) {
  bool may_have_remote = false;
  const std::size_t found = collect(count, sets, nullptr, may_have_remote);
  if (!may_have_remote) return false;
  PollArray fds(found);
  if (fds.get() == nullptr) {
    result = refuse(ENOMEM);
    return true;
  }
  collect(count, sets, fds.get(), may_have_remote);
  if (!has_remote_descriptor(fds.get(), found)) return false;
  result = poll_mixed(fds.get(), found, deadline, mask);
  if (result >= 0) result = spread(fds.get(), found, count, sets);
  return true;
}

bool may_have_remote(int count, const Sets& sets) {
  bool may_have = false;
  collect(count, sets, nullptr, may_have);
  return may_have;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_poll(struct pollfd* fds, nfds_t count, int timeout_ms) {
  qnet::client::brought::received();
  if (!has_remote_descriptor(fds, count)) return libc().poll(fds, count, timeout_ms);
  const struct timespec timeout { timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L };
  return poll_mixed(fds, count, Deadline(timeout_ms < 0 ? nullptr : &timeout), nullptr);
}

extern "C" int qnet_ppoll(struct pollfd* fds, nfds_t count, const struct timespec* timeout, const sigset_t* mask) {
  qnet::client::brought::received();
  if (!is_usable(timeout) || !has_remote_descriptor(fds, count)) return libc().ppoll(fds, count, timeout, mask);
  return poll_mixed(fds, count, Deadline(timeout), mask);
}

extern "C" int qnet___poll_chk(struct pollfd* fds, nfds_t count, int timeout_ms, size_t room) {
  if (room / sizeof(*fds) < count) __chk_fail();
  return qnet_poll(fds, count, timeout_ms);
}

extern "C" int qnet___ppoll_chk(struct pollfd* fds, nfds_t count, const struct timespec* timeout, const sigset_t* mask,
                                size_t room) {
  if (room / sizeof(*fds) < count) __chk_fail();
  return qnet_ppoll(fds, count, timeout, mask);
}

extern "C" int qnet_select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
                           struct timeval* timeout) {
  qnet::client::brought::received();
  const Sets sets{readable, writable, exceptional};
  if (count > 0 && may_have_remote(count, sets) &&
      (timeout == nullptr || (timeout->tv_sec >= 0 && timeout->tv_usec >= 0))) {
    const struct timespec wait {
      timeout != nullptr ? timeout->tv_sec + timeout->tv_usec / 1'000'000 : 0,
          timeout != nullptr ? timeout->tv_usec % 1'000'000 * 1000 : 0
    };
    const Deadline deadline(timeout != nullptr ? &wait : nullptr);
    int result = 0;
    if (select_mixed(count, sets, deadline, nullptr, result)) {
      if (timeout != nullptr) {  // Linux tells how much was left.
        const struct timespec left = deadline.remaining();
        *timeout = {left.tv_sec, left.tv_nsec / 1000};
      }
      return result;
    }
  }
  return libc().select(count, readable, writable, exceptional, timeout);
}

extern "C" int qnet_pselect(int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
                            const struct timespec* timeout, const sigset_t* mask) {
  qnet::client::brought::received();
  const Sets sets{readable, writable, exceptional};
  if (count > 0 && may_have_remote(count, sets) && is_usable(timeout)) {
    int result = 0;
    if (select_mixed(count, sets, Deadline(timeout), mask, result)) return result;
  }
  return libc().pselect(count, readable, writable, exceptional, timeout, mask);
}

extern "C" int qnet_epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event) {
  return is_remote(fd) ? refuse(EPERM) : libc().epoll_ctl(epoll, operation, fd, event);
}
