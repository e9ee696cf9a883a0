// SPDX-License-Identifier: Apache-2.0
//
// Do locks exclude whom they must: other processes, other nodes, and programs of this node?
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <random>

#include "tests/unit/exec/exec_rig.hpp"

namespace qnet::exec {
namespace {

using wire::LockCommand;

/// A process of this node that holds a classic POSIX lock until told otherwise.
class LocalLocker {
 public:
  LocalLocker(const std::string& file, short type, off_t first, off_t length) {
    int ready[2], go[2];
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(go, O_CLOEXEC), 0);
    process_ = ::fork();
    if (process_ == 0) {
      const int fd = ::open(file.c_str(), O_RDWR);
      struct flock lock = {};
      lock.l_type = type;
      lock.l_start = first;
      lock.l_len = length;
      const char result = ::fcntl(fd, F_SETLK, &lock) == 0 ? 'y' : 'n';
      char byte = 0;
      if (::write(ready[1], &result, 1) != 1 || ::read(go[0], &byte, 1) != 1) ::_exit(1);
      ::_exit(0);
    }
    char result = 0;
    EXPECT_EQ(::read(ready[0], &result, 1), 1);
    has_lock_ = result == 'y';
    ::close(ready[0]);
    ::close(ready[1]);
    ::close(go[0]);
    go_.reset(go[1]);
  }
  ~LocalLocker() { leave(); }
  void leave() {
    if (process_ <= 0) return;
    EXPECT_EQ(::write(go_.get(), "x", 1), 1);
    ::waitpid(std::exchange(process_, 0), nullptr, 0);
  }
  bool has_lock() const { return has_lock_; }
  pid_t process() const { return process_; }

 private:
  pid_t process_ = 0;
  UniqueFd go_;
  bool has_lock_ = false;
};

class LockTest : public ExecTest {
 protected:
  LockTest() { make_file("f", "0123456789"); }

  std::string file() const { return path("f"); }
  std::uint64_t open(Client& client, int flags = O_RDWR) { return client.must_open(file(), flags); }
  wire::LockRangeReply get(Client& client, std::uint64_t handle, int type, std::int64_t first = 0,
                           std::int64_t length = 0) {
    return to_answer<wire::LockRangeReply>(client.start_lock(handle, LockCommand::kGet, type, first, length).get())
        .message;
  }

  Client other_process_{executor_, 1, own_caller(4712)};
  Client other_node_{executor_, 2, own_caller(4711)};
};

TEST_F(LockTest, TwoOpensOfOneProcessDoNotConflict) {
  const auto first = open(me_), second = open(me_);
  EXPECT_EQ(me_.lock(first, F_WRLCK), 0);
  EXPECT_EQ(me_.lock(second, F_WRLCK), 0);
  EXPECT_EQ(get(me_, second, F_WRLCK).type, F_UNLCK);
}

TEST_F(LockTest, OtherProcessesAndNodesDo) {
  const auto mine = open(me_), theirs = open(other_process_), far = open(other_node_);
  EXPECT_EQ(me_.lock(mine, F_WRLCK, 2, 3), 0);
  EXPECT_EQ(other_process_.lock(theirs, F_WRLCK, 4, 1), EAGAIN);
  EXPECT_EQ(other_node_.lock(far, F_RDLCK, 0, 0), EAGAIN);
  EXPECT_EQ(other_node_.lock(far, F_RDLCK, 5, 0), 0);
  const auto found = get(other_node_, far, F_WRLCK, 0, 5);
  EXPECT_EQ(found.type, F_WRLCK);
  EXPECT_EQ(found.start, 2);
  EXPECT_EQ(found.length, 3);
  EXPECT_EQ(found.process, 4711);
  EXPECT_EQ(get(me_, mine, F_RDLCK).type, F_UNLCK);
  EXPECT_EQ(executor_.statistics().locks_held, 3U);
}

TEST_F(LockTest, ProgramsOfThisNodeDoToo) {
  const auto mine = open(me_);
  LocalLocker local(file(), F_WRLCK, 0, 4);
  ASSERT_TRUE(local.has_lock());
  EXPECT_EQ(me_.lock(mine, F_WRLCK, 3, 1), EAGAIN);
  EXPECT_EQ(get(me_, mine, F_WRLCK).process, local.process());
  EXPECT_EQ(me_.lock(mine, F_WRLCK, 4, 1), 0);
  EXPECT_FALSE(LocalLocker(file(), F_WRLCK, 4, 1).has_lock());
  EXPECT_EQ(me_.lock(mine, F_UNLCK, 4, 1), 0);
  EXPECT_TRUE(LocalLocker(file(), F_WRLCK, 4, 1).has_lock());
}

TEST_F(LockTest, WaitingEndsWithTheLockOrTheSignal) {
  const auto mine = open(me_), far = open(other_node_);
  LocalLocker local(file(), F_WRLCK, 0, 0);
  Pending waiting = me_.start_lock(mine, LockCommand::kSetWait, F_WRLCK);
  Pending hopeless = other_node_.start_lock(far, LockCommand::kSetWait, F_WRLCK);
  ASSERT_TRUE(comes_true([] { return count_threads_in(SYS_fcntl) == 2; }));
  other_node_.cancel(hopeless);
  EXPECT_EQ(hopeless.get().error, EINTR);
  EXPECT_FALSE(waiting.is_answered());
  local.leave();
  EXPECT_EQ(waiting.get().error, 0);
  EXPECT_EQ(other_node_.lock(far, F_RDLCK), EAGAIN);
}

TEST_F(LockTest, ClosingOneDescriptorDropsTheProcesssLocksOnThatFile) {
  const auto first = open(me_), second = open(me_), far = open(other_node_);
  const auto elsewhere = me_.must_open(make_file("g", ""), O_RDWR);
  EXPECT_EQ(me_.lock(first, F_WRLCK), 0);
  EXPECT_EQ(me_.lock(elsewhere, F_WRLCK), 0);
  EXPECT_EQ(me_.ask<op::ReleaseLocks>({}, {second}).error, 0);
  EXPECT_EQ(other_node_.lock(far, F_WRLCK), 0);
  EXPECT_EQ(executor_.statistics().locks_held, 2U);
  EXPECT_EQ(me_.ask<op::ReleaseLocks>({}).error, 0);
  EXPECT_EQ(executor_.statistics().locks_held, 1U) << "the other node's";
}

TEST_F(LockTest, ALockThatWasWaitedForOutlivesACloseMeanwhile) {
  const auto first = open(me_), second = open(me_);
  LocalLocker local(file(), F_WRLCK, 0, 0);
  Pending waiting = me_.start_lock(first, LockCommand::kSetWait, F_WRLCK);
  ASSERT_TRUE(comes_true([] { return count_threads_in(SYS_fcntl) == 1; }));
  EXPECT_EQ(me_.ask<op::ReleaseLocks>({}, {second}).error, 0);
  local.leave();
  EXPECT_EQ(waiting.get().error, 0);
  EXPECT_FALSE(LocalLocker(file(), F_WRLCK, 0, 0).has_lock());
}

TEST_F(LockTest, TheApplicationsAccessDecides) {
  const auto reader = open(me_, O_RDONLY), writer = open(me_, O_WRONLY), path_only = open(me_, O_PATH);
  EXPECT_EQ(me_.lock(reader, F_WRLCK), EBADF);
  EXPECT_EQ(me_.lock(writer, F_RDLCK), EBADF);
  EXPECT_EQ(me_.lock(path_only, F_RDLCK), EBADF);
  EXPECT_EQ(me_.lock(reader, 17), EINVAL);
  EXPECT_EQ(me_.lock(reader, F_UNLCK), 0);
  EXPECT_EQ(me_.lock(reader, F_RDLCK, -1), EINVAL);
  EXPECT_EQ(me_.lock(reader, F_RDLCK, INT64_MAX, 2), EOVERFLOW);
}

TEST_F(LockTest, AReadLockBecomesAWriteLockThroughAnotherOpen) {
  const auto reader = open(me_, O_RDONLY), writer = open(me_), far = open(other_node_);
  EXPECT_EQ(me_.lock(reader, F_RDLCK, 0, 4), 0);
  EXPECT_EQ(me_.lock(writer, F_WRLCK, 2, 1), 0);
  EXPECT_EQ(other_node_.lock(far, F_RDLCK, 0, 2), 0);
  EXPECT_EQ(other_node_.lock(far, F_WRLCK, 0, 1), EAGAIN) << "the read lock came along";
  EXPECT_EQ(other_node_.lock(far, F_RDLCK, 2, 1), EAGAIN);
}

TEST_F(LockTest, ALockOnAFileThatTheCallerMayNoLongerOpen) {
  QNET_NEEDS_ROOT();
  Client user(executor_, 3, user_caller(1000));
  const auto handle = user.must_open(file(), O_RDWR);
  ASSERT_EQ(::chmod(file().c_str(), 0), 0);
  EXPECT_EQ(user.lock(handle, F_WRLCK), 0);
  EXPECT_EQ(me_.lock(open(me_), F_RDLCK), EAGAIN);
}

TEST_F(LockTest, RangesCountFromTheOffsetAndTheEnd) {
  const auto mine = open(me_), far = open(other_node_);
  EXPECT_EQ(me_.seek(mine, 4, SEEK_SET), 4);
  const auto lock_from = [&](int whence, std::int64_t start, std::int64_t length) {
    return me_
        .ask<op::LockRange>({.command = static_cast<std::uint8_t>(LockCommand::kSet),
                             .type = F_WRLCK,
                             .whence = static_cast<std::uint16_t>(whence),
                             .start = start,
                             .length = length},
                            {mine})
        .error;
  };
  EXPECT_EQ(lock_from(SEEK_CUR, 0, -2), 0);
  EXPECT_EQ(lock_from(SEEK_END, -1, 0), 0);
  EXPECT_EQ(lock_from(9, 0, 0), EINVAL);
  EXPECT_EQ(get(other_node_, far, F_WRLCK).start, 2);
  EXPECT_EQ(get(other_node_, far, F_WRLCK).length, 2);
  EXPECT_EQ(get(other_node_, far, F_WRLCK, 4, 0).start, 9);
  EXPECT_EQ(get(other_node_, far, F_WRLCK, 4, 0).length, 0);
}

TEST_F(LockTest, OfdLocksBelongToTheHandle) {
  const auto first = open(me_), second = open(me_);
  EXPECT_EQ(me_.lock(first, F_WRLCK, 0, 0, /*is_ofd=*/true), 0);
  EXPECT_EQ(me_.lock(second, F_WRLCK, 0, 0, true), EAGAIN);
  EXPECT_EQ(me_.lock(second, F_WRLCK), EAGAIN) << "a POSIX lock conflicts as well";
  EXPECT_EQ(me_.close(first), 0);
  EXPECT_EQ(me_.lock(second, F_WRLCK, 0, 0, true), 0);
}

TEST_F(LockTest, FlockBelongsToTheHandle) {
  const auto mine = open(me_), far = open(other_node_);
  EXPECT_EQ(me_.flock(mine, LOCK_EX), 0);
  EXPECT_EQ(other_node_.flock(far, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  Pending waiting = other_node_.start(wire::Opcode::kLockWhole, wire::LockWholeRequest{.operation = LOCK_SH}, {far});
  ASSERT_TRUE(comes_true([] { return count_threads_in(SYS_flock) == 1; }));
  EXPECT_EQ(me_.flock(mine, LOCK_UN), 0);
  EXPECT_EQ(waiting.get().error, 0);
  const UniqueFd local(::open(file().c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(::flock(local.get(), LOCK_EX | LOCK_NB), -1);
  EXPECT_EQ(other_node_.close(far), 0);
  EXPECT_EQ(::flock(local.get(), LOCK_EX | LOCK_NB), 0);
}

/// Against a plain array of bytes.
TEST(LockedRangesTest, IsWhatAnArrayOfBytesWouldBe) {
  std::mt19937 random(8204);
  for (int round = 0; round < 200; ++round) {
    LockedRanges ranges;
    std::array<short, 32> bytes;
    bytes.fill(F_UNLCK);
    for (int step = 0; step < 20; ++step) {
      const auto first = static_cast<std::int64_t>(random() % 32);
      const auto last = first + static_cast<std::int64_t>(random() % static_cast<unsigned>(32 - first));
      const auto type = static_cast<short>(random() % 3);
      ranges.set({first, last, type});
      for (std::int64_t i = first; i <= last; ++i) bytes[static_cast<std::size_t>(i)] = type;
    }
    std::array<short, 32> seen;
    seen.fill(F_UNLCK);
    std::int64_t free_from = 0;
    short type_before = F_UNLCK;
    for (const LockedRange& range : ranges.all()) {
      ASSERT_GE(range.first, free_from);
      ASSERT_FALSE(range.first == free_from && range.type == type_before && free_from != 0) << "not merged";
      for (std::int64_t i = range.first; i <= range.last; ++i) seen[static_cast<std::size_t>(i)] = range.type;
      free_from = range.last + 1;
      type_before = range.type;
    }
    ASSERT_EQ(seen, bytes) << "round " << round;
  }
}

}  // namespace
}  // namespace qnet::exec
