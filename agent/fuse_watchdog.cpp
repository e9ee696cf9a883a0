// SPDX-License-Identifier: Apache-2.0
#include "agent/fuse_watchdog.hpp"

#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace qnet::agent {
namespace {

constexpr std::size_t kRequestBytesMax = (1 << 20) + 4096;
/// The agent's state is looked at this often within its patience.
constexpr int kLooksPerPatience = 4;
alignas(8) char room[kRequestBytesMax];

void sleep_for(Duration time) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  const timespec wait{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  nanosleep(&wait, nullptr);
}

}  // namespace

std::atomic<std::uint64_t>* FuseWatchdog::Board::find(std::uint64_t unique, std::uint64_t wanted) {
  for (std::size_t i = 0; i < kProbesMax; ++i) {
    std::atomic<std::uint64_t>& slot = uniques[(unique / 2 + i) % kSlots];  // Numbers of requests are even.
    if (slot.load() == wanted) return &slot;
  }
  return nullptr;
}

void FuseWatchdog::Unmap::operator()(Board* board) const {
  munmap(board, sizeof(Board));
}

void FuseWatchdog::note(std::uint64_t unique) {
  if (std::atomic<std::uint64_t>* slot = board_->find(unique, 0)) slot->store(unique);
}

void FuseWatchdog::forget(std::uint64_t unique) {
  if (std::atomic<std::uint64_t>* slot = board_->find(unique, unique)) slot->store(0);
}

void FuseWatchdog::count_file(int change) {
  if (board_->files.fetch_add(static_cast<std::uint32_t>(change)) != 0) return;
  syscall(SYS_futex, &board_->files, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

/// What the other process does. After fork() in a process with threads: system calls only.
class FuseWatchdog::Watch {
 public:
  Watch(Board& board, int device, int kept, int state, Duration patience)
      : board_(board), device_(device), kept_(kept), state_(state), patience_(patience) {}

  [[noreturn]] void run() {
    Duration stopped{};
    for (;;) {
      if (board_.files.load() == 0) syscall(SYS_futex, &board_.files, FUTEX_WAIT, 0, nullptr, nullptr, 0);
      sleep_for(patience_ / kLooksPerPatience);
      stopped = is_stopped() ? stopped + patience_ / kLooksPerPatience : Duration();
      if (stopped >= patience_) stand_in();
    }
  }

 private:
  /// "T" or "t" behind the name in brackets.
  bool is_stopped() const {
    char text[512];
    const ssize_t count = pread(state_, text, sizeof text - 1, 0);
    if (count <= 0) return false;
    text[count] = '\0';
    const char* const end = std::strrchr(text, ')');
    return end != nullptr && (end[2] == 'T' || end[2] == 't');
  }

  void stand_in() {
    for (std::atomic<std::uint64_t>& slot : board_.uniques) {
      if (const std::uint64_t unique = slot.load(); unique != 0) refuse(unique);
    }
    while (is_stopped()) {
      const ssize_t count = read(device_, room, sizeof room);
      if (count < static_cast<ssize_t>(sizeof(fuse_in_header))) return;
      take(static_cast<std::size_t>(count));
    }
  }

  void take(std::size_t count) {
    fuse_in_header header;
    std::memcpy(&header, room, sizeof header);
    switch (header.opcode) {
      case FUSE_RELEASE:
      case FUSE_FLUSH:
        // Waits if there are very many: then the agent is needed indeed.
        if (send(kept_, room, count, 0) < 0) break;
        if (header.opcode == FUSE_FLUSH) refuse(header.unique);
        break;
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        break;
      default:
        refuse(header.unique);
    }
  }

  void refuse(std::uint64_t unique) const {
    const fuse_out_header header{.len = sizeof header, .error = -ENONET, .unique = unique};
    [[maybe_unused]] const ssize_t written = write(device_, &header, sizeof header);
  }

  Board& board_;
  const int device_, kept_, state_;
  const Duration patience_;
};

Result<FuseWatchdog> FuseWatchdog::start(int device, Duration patience) {
  void* const memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail_errno("mmap");
  std::unique_ptr<Board, Unmap> board(new (memory) Board{});
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("socketpair");
  UniqueFd kept(ends[0]);
  const UniqueFd keeper(ends[1]);
  const pid_t agent = getpid();
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", agent);
  const UniqueFd state(open(path, O_RDONLY | O_CLOEXEC));
  if (!state) return fail_errno("/proc");

  const pid_t process = fork();
  if (process < 0) return fail_errno("fork");
  if (process > 0) return FuseWatchdog(std::move(board), std::move(kept), process);

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "qnetd-fuse");
  if (getppid() != agent) _exit(0);
  setsid();  // Not stopped together with the agent's terminal.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  int wanted[] = {device, ends[1], state.get()};
  std::sort(std::begin(wanted), std::end(wanted));
  unsigned first = 0;
  for (const int fd : wanted) {
    if (static_cast<unsigned>(fd) > first) close_range(first, static_cast<unsigned>(fd) - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  close_range(first, ~0u, 0);
  Watch(*board, device, ends[1], state.get(), patience).run();
}

FuseWatchdog::~FuseWatchdog() {
  if (!board_) return;  // moved from
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

}  // namespace qnet::agent
