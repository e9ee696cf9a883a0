// SPDX-License-Identifier: Apache-2.0
//
// What waits, what ends the wait, and does it cost a thread?
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <thread>

#include "agent/exec/request_table.hpp"
#include "tests/unit/exec/exec_rig.hpp"

namespace qnet::exec {
namespace {

class WaitTest : public ExecTest {
 protected:
  Pending start_open(std::string_view name, int flags) {
    return me_.start(wire::Opcode::kOpen,
                     wire::OpenRequest{.flags = static_cast<std::uint32_t>(flags), .path = path(name)});
  }
  Pending start_poll(std::uint64_t handle, unsigned events, std::int64_t timeout_ms) {
    return me_.start(wire::Opcode::kPoll, wire::PollRequest{.events = events, .timeout_ms = timeout_ms}, {handle});
  }
};

TEST_F(WaitTest, OpeningAFifoWaitsForTheOtherSide) {
  make_fifo("p");
  Pending reader = start_open("p", O_RDONLY);
  EXPECT_FALSE(reader.is_answered());
  Pending writer = start_open("p", O_WRONLY);
  const auto in = to_answer<wire::OpenReply>(reader.get());
  const auto out = to_answer<wire::OpenReply>(writer.get());
  ASSERT_EQ(in.error, 0);
  ASSERT_EQ(out.error, 0);
  Pending waiting = me_.start_read(in->handle, 100);
  EXPECT_EQ(me_.write(out->handle, "hello"), 5);
  EXPECT_EQ(Client::text_of(waiting.get()), "hello");
  EXPECT_EQ(me_.close(out->handle), 0);
  EXPECT_EQ(me_.read(in->handle, 100), "") << "no writer: end of file";
  EXPECT_EQ(me_.open(path("p"), O_WRONLY | O_NONBLOCK).error, 0) << "there is a reader";
  EXPECT_EQ(me_.close(in->handle), 0);
  EXPECT_EQ(me_.open(path("p"), O_WRONLY | O_NONBLOCK).error, ENXIO);
}

/// Who hears the answer may close the file and rely on it.
TEST(ExecRequestTableTest, AnAnsweredJobHoldsTheFileNoMore) {
  RequestTable table(10);
  const auto mark = std::make_shared<int>();
  const auto job = std::make_shared<Job>(
      Request{}, [&mark](const Reply&) { EXPECT_EQ(mark.use_count(), 1); }, std::make_shared<ClientLife>(ClientId{1}),
      Need::kNothing);
  job->wait_mark = mark;
  ASSERT_TRUE(table.insert(job));
  EXPECT_EQ(mark.use_count(), 2);
  table.answer(*job, Reply{});
}

TEST_F(WaitTest, CancelGetsAThreadOutOfABlockingOpen) {
  make_fifo("p");
  for (int i = 0; i < 20; ++i) {
    Pending opening = start_open("p", O_RDONLY);
    if (i % 2 == 0) {
      ASSERT_TRUE(comes_true([] { return count_threads_in(SYS_openat) == 1; }));
    }
    me_.cancel(opening);
    EXPECT_EQ(opening.get().error, EINTR);
  }
  EXPECT_EQ(executor_.statistics().handles_open, 0U);
  EXPECT_EQ(executor_.statistics().cancelled, 20U);
}

TEST_F(WaitTest, ManyReadersCostNoThreads) {
  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR);
  std::vector<Pending> readers;
  for (int i = 0; i < 100; ++i) readers.push_back(me_.start_read(fifo, 1));
  EXPECT_EQ(me_.write(fifo, std::string(100, 'x')), 100);
  for (Pending& reader : readers) EXPECT_EQ(Client::text_of(reader.get()), "x");
  // On a slow machine the queue may stand still for a moment, and then the pool adds a few; never one per reader.
  EXPECT_LT(executor_.statistics().workers, 50U);
}

TEST_F(WaitTest, CancelEndsARead) {
  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR);
  for (int i = 0; i < 200; ++i) {
    Pending reader = me_.start_read(fifo, 1);
    me_.cancel(reader);
    EXPECT_EQ(reader.get().error, EINTR);
  }
  EXPECT_EQ(me_.write(fifo, "abc"), 3);
  EXPECT_EQ(me_.read(fifo, 10), "abc") << "and takes nothing away";
  Pending late = me_.start_read(fifo, 1);
  me_.cancel(late);
  late.get();
  me_.cancel(late);  // Answered already: ignored.
}

TEST_F(WaitTest, NonblockingReadsAndWritesDoNotWait) {
  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR | O_NONBLOCK);
  EXPECT_EQ(me_.start_read(fifo, 1).get().error, EAGAIN);
  EXPECT_EQ(me_.ask<op::SetFlags>({.flags = 0}, {fifo}).error, 0);
  EXPECT_EQ(me_.start_read(fifo, 1, -1, /*may_block=*/false).get().error, EAGAIN);
  const auto written =
      to_answer<wire::WriteReply>(me_.start_write(fifo, std::string(200'000, 'x'), -1, /*may_block=*/false).get());
  EXPECT_EQ(written->written_bytes, 65536U);
  EXPECT_EQ(me_.start_write(fifo, "y", -1, false).get().error, EAGAIN);
  EXPECT_EQ(me_.read(fifo, 1, 0), "errno " + std::to_string(ESPIPE));
}

TEST_F(WaitTest, ALongWriteIsWrittenAltogether) {
  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR);
  Pending writer = me_.start_write(fifo, std::string(300'000, 'x'));
  std::size_t count = 0;
  while (count < 300'000) {
    const std::string part = me_.read(fifo, 50'000);
    ASSERT_FALSE(part.empty());
    ASSERT_EQ(part[0], 'x') << part;
    count += part.size();
  }
  EXPECT_EQ(to_answer<wire::WriteReply>(writer.get())->written_bytes, 300'000U);
}

TEST_F(WaitTest, ACancelledWriteTellsHowFarItCame) {
  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR);
  Pending writer = me_.start_write(fifo, std::string(300'000, 'x'));
  ASSERT_EQ(me_.read(fifo, 1), "x");  // It has begun.
  me_.cancel(writer);
  const auto written = to_answer<wire::WriteReply>(writer.get());
  EXPECT_EQ(written.error, 0);
  EXPECT_GE(written->written_bytes, 65536U);
  EXPECT_LT(written->written_bytes, 300'000U);
}

TEST_F(WaitTest, WritingWithoutAReaderIsEpipe) {
  make_fifo("p");
  UniqueFd reader(::open(path("p").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto out = me_.must_open(path("p"), O_WRONLY);
  EXPECT_EQ(me_.write(out, "x"), 1);
  reader.reset();
  EXPECT_EQ(me_.write(out, "x"), -EPIPE);
}

TEST_F(WaitTest, ClosingEndsWhatNobodyCanHearOfAnyMore) {
  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR);
  Pending reader = me_.start_read(fifo, 1);
  Pending poller = start_poll(fifo, POLLIN, -1);
  ASSERT_TRUE(comes_true([this] { return executor_.statistics().requests >= 3; }));
  EXPECT_EQ(me_.close(fifo), 0);
  const int read_error = reader.get().error;
  EXPECT_TRUE(read_error == EINTR || read_error == ESTALE);
  const int poll_error = poller.get().error;
  EXPECT_TRUE(poll_error == EINTR || poll_error == ESTALE);
}

TEST_F(WaitTest, PollTellsReadinessAndTime) {
  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR);
  const auto events_of = [](Pending pending) { return to_answer<wire::PollReply>(pending.get())->events; };
  EXPECT_EQ(events_of(start_poll(fifo, POLLIN, 0)), 0U);
  EXPECT_EQ(events_of(start_poll(fifo, POLLIN | POLLOUT, -1)), static_cast<unsigned>(POLLOUT));
  EXPECT_EQ(events_of(start_poll(fifo, POLLIN, 20)), 0U) << "the time is over";
  Pending poller = start_poll(fifo, POLLIN, 60'000);
  EXPECT_EQ(me_.write(fifo, "x"), 1);
  EXPECT_EQ(events_of(std::move(poller)), static_cast<unsigned>(POLLIN));

  const auto file = me_.must_open(make_file("f", ""), O_RDWR);
  EXPECT_EQ(events_of(start_poll(file, POLLIN | POLLOUT, -1)), static_cast<unsigned>(POLLIN | POLLOUT));
  EXPECT_EQ(events_of(start_poll(file, POLLPRI, 10)), 0U);
  Pending never = start_poll(file, POLLPRI, -1);
  me_.cancel(never);
  EXPECT_EQ(never.get().error, EINTR);
}

TEST_F(WaitTest, CharacterDevicesAnswerAsThemselves) {
  EXPECT_EQ(me_.read(me_.must_open("/dev/null", O_RDWR), 10), "");
  EXPECT_EQ(me_.read(me_.must_open("/dev/zero", O_RDWR), 4), std::string(4, '\0'));
  EXPECT_EQ(me_.write(me_.must_open("/dev/full", O_RDWR), "x"), -ENOSPC);
  EXPECT_EQ(me_.write(me_.must_open("/dev/null", O_RDWR), "abc"), 3);
}

TEST_F(WaitTest, ATerminalIsReadAndWritten) {
  const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master) GTEST_SKIP() << "no /dev/ptmx here";
  ASSERT_EQ(::grantpt(master.get()), 0);
  ASSERT_EQ(::unlockpt(master.get()), 0);
  const auto terminal = me_.must_open(::ptsname(master.get()), O_RDWR);
  Pending reader = me_.start_read(terminal, 100);
  ASSERT_EQ(::write(master.get(), "hello\n", 6), 6);
  EXPECT_EQ(Client::text_of(reader.get()), "hello\n");
  EXPECT_EQ(me_.write(terminal, "x"), 1);
  Pending again = me_.start_read(terminal, 100);
  me_.cancel(again);
  EXPECT_EQ(again.get().error, EINTR);
}

class FewWorkersTest : public ExecTest {
 protected:
  FewWorkersTest() : ExecTest(ExecutorConfig{.workers_max = 6}) {}
};

TEST_F(FewWorkersTest, WhoHoldsTheLockCanAlwaysGiveItBack) {
  make_file("f", "");
  const auto holder = me_.must_open(path("f"), O_RDWR);
  EXPECT_EQ(me_.flock(holder, LOCK_EX), 0);
  std::vector<Pending> waiting;
  for (int i = 0; i < 20; ++i) {
    const auto handle = me_.must_open(path("f"), O_RDWR);
    waiting.push_back(me_.start(wire::Opcode::kLockWhole, wire::LockWholeRequest{.operation = LOCK_SH}, {handle}));
  }
  EXPECT_EQ(me_.flock(holder, LOCK_UN), 0) << "waiters occupy every thread";
  int granted = 0;
  for (Pending& one : waiting) {
    const int error = one.get().error;
    EXPECT_TRUE(error == 0 || error == ENOLCK) << error;
    granted += error == 0;
  }
  EXPECT_GE(granted, 3);
}

TEST_F(FewWorkersTest, OtherRequestsGoOnWhileOpensBlock) {
  make_fifo("p");
  make_file("f", "abc");
  std::vector<Pending> opening;
  for (int i = 0; i < 10; ++i) {
    opening.push_back(me_.start(wire::Opcode::kOpen, wire::OpenRequest{.flags = O_RDONLY, .path = path("p")}));
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(me_.open(path("f"), O_RDONLY).error, 0);
  int refused = 0;
  for (Pending& one : opening) {
    me_.cancel(one);
    const int error = one.get().error;
    EXPECT_TRUE(error == EINTR || error == EAGAIN) << error;
    refused += error == EAGAIN;
  }
  EXPECT_GE(refused, 5);
}

TEST(ExecutorEndTest, EndsWithEverythingStillWaiting) {
  char name[] = "/tmp/qnet-end-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  ASSERT_EQ(::mkfifo((folder + "/p").c_str(), 0666), 0);
  ASSERT_EQ(::mkfifo((folder + "/q").c_str(), 0666), 0);
  std::vector<Pending> pending;
  {
    Executor executor(ExecutorConfig{.workers_max = 4});
    Client client(executor, 1, own_caller());
    const auto fifo = client.must_open(folder + "/p", O_RDWR);
    EXPECT_EQ(client.flock(fifo, LOCK_EX), 0);
    const auto second = client.must_open(folder + "/p", O_RDWR);
    for (int i = 0; i < 10; ++i) {
      pending.push_back(client.start_read(fifo, 1));
      pending.push_back(client.start(wire::Opcode::kOpen, wire::OpenRequest{.flags = O_RDONLY, .path = folder + "/q"}));
      pending.push_back(client.start(wire::Opcode::kLockWhole, wire::LockWholeRequest{.operation = LOCK_EX}, {second}));
      pending.push_back(
          client.start(wire::Opcode::kPoll, wire::PollRequest{.events = POLLIN, .timeout_ms = 60'000}, {fifo}));
    }
  }
  for (Pending& one : pending) EXPECT_NE(one.get().error, ETIMEDOUT);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace qnet::exec
