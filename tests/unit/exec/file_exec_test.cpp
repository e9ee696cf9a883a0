// SPDX-License-Identifier: Apache-2.0
//
// Do open files keep their offsets, flags, limits and owners?
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "tests/unit/exec/exec_rig.hpp"

namespace qnet::exec {
namespace {

using FileExecTest = ExecTest;

TEST_F(FileExecTest, TheOffsetIsTheOwners) {
  const auto handle = me_.must_open(make_file("f", "0123456789"), O_RDWR);
  EXPECT_EQ(me_.read(handle, 3), "012");
  EXPECT_EQ(me_.read(handle, 3), "345");
  EXPECT_EQ(me_.read(handle, 3, 8), "89") << "pread";
  EXPECT_EQ(me_.read(handle, 3), "678") << "pread did not move it";
  EXPECT_EQ(me_.seek(handle, -2, SEEK_END), 8);
  EXPECT_EQ(me_.write(handle, "ABCD"), 4);
  EXPECT_EQ(me_.seek(handle, 0, SEEK_CUR), 12);
  EXPECT_EQ(me_.write(handle, "x", 1), 1);
  EXPECT_EQ(me_.read(handle, 1), "");
  EXPECT_EQ(content_of("f"), "0x234567ABCD");
  EXPECT_EQ(me_.seek(handle, -1, SEEK_SET), -EINVAL);
  EXPECT_EQ(me_.seek(handle, 100, SEEK_DATA), -ENXIO);
}

TEST_F(FileExecTest, AnOpenBringsTheContentsOfASmallFile) {
  const auto contents_of_open = [this](const std::string& name, int flags, std::uint32_t bytes_max) {
    const wire::OpenRequest request{
        .flags = static_cast<std::uint32_t>(flags), .contents_bytes_max = bytes_max, .path = name};
    const auto answer = to_answer<wire::OpenReply>(me_.start(wire::Opcode::kOpen, request).get());
    EXPECT_EQ(answer.error, 0) << name;
    EXPECT_EQ(me_.seek(answer->handle, 0, SEEK_CUR), 0) << "the offset has not moved";
    return std::string(as_text(answer->contents.bytes));
  };
  const std::string small = make_file("small", "0123456789");
  EXPECT_EQ(contents_of_open(small, O_RDONLY, 4096), "0123456789");
  EXPECT_EQ(contents_of_open(small, O_RDONLY, 10), "0123456789");
  EXPECT_EQ(contents_of_open(small, O_RDONLY, 9), "") << "all or nothing";
  EXPECT_EQ(contents_of_open(small, O_RDONLY, 0), "") << "not asked for";
  EXPECT_EQ(contents_of_open(small, O_RDWR, 4096), "");
  EXPECT_EQ(contents_of_open("/proc/self/status", O_RDONLY, 4096), "") << "made up as it is read";
  EXPECT_EQ(contents_of_open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY, 4096), "");
}

TEST_F(FileExecTest, LargeReadsAndWritesAreWhole) {
  const auto handle = me_.must_open(path("large"), O_RDWR | O_CREAT);
  std::string block(wire::kDataBytesMax, 'x');
  for (std::size_t i = 0; i < block.size(); i += 4096) block[i] = static_cast<char>('a' + i / 4096 % 26);
  EXPECT_EQ(me_.write(handle, block), static_cast<int>(block.size()));
  EXPECT_EQ(me_.read(handle, wire::kDataBytesMax, 0), block);
  EXPECT_EQ(me_.write(handle, "end", std::int64_t{5} << 30), 3) << "beyond 4 GiB";
  EXPECT_EQ(me_.read(handle, 16, std::int64_t{5} << 30), "end");
  EXPECT_EQ(me_.seek(handle, 0, SEEK_END), (std::int64_t{5} << 30) + 3);
}

TEST_F(FileExecTest, AppendedLinesOfTwoClientsStayWhole) {
  Client other(executor_, 2, own_caller());
  const auto mine = me_.must_open(path("log"), O_WRONLY | O_CREAT | O_APPEND);
  const auto theirs = other.must_open(path("log"), O_WRONLY | O_APPEND);
  std::vector<Pending> pending;
  for (int i = 0; i < 200; ++i) {
    pending.push_back(me_.start_write(mine, "mine\n"));
    pending.push_back(other.start_write(theirs, "theirs\n"));
  }
  for (Pending& one : pending) EXPECT_EQ(one.get().error, 0);
  std::ifstream in(path("log"));
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) EXPECT_TRUE(line == "mine" || line == "theirs") << line;
  EXPECT_EQ(lines, 400);
}

TEST_F(FileExecTest, FlagsAreTheApplications) {
  const auto handle = me_.must_open(make_file("f", ""), O_RDWR | O_APPEND);
  const auto flags = me_.ask<op::GetFlags>({}, {handle});
  EXPECT_EQ(flags->flags & ~0100000U, static_cast<unsigned>(O_RDWR | O_APPEND));
  EXPECT_EQ(me_.ask<op::SetFlags>({.flags = O_NONBLOCK}, {handle}).error, 0);
  EXPECT_EQ(me_.ask<op::GetFlags>({}, {handle})->flags & ~0100000U, static_cast<unsigned>(O_RDWR | O_NONBLOCK));

  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR);
  EXPECT_EQ(me_.ask<op::GetFlags>({}, {fifo})->flags & ~0100000U, static_cast<unsigned>(O_RDWR))
      << "our own O_NONBLOCK is not the application's";
}

TEST_F(FileExecTest, KindsAndAttributesComeWithTheOpen) {
  using wire::HandleKind;
  const auto kind_of = [this](std::string_view name, int flags) {
    return static_cast<HandleKind>(me_.open(name, flags)->kind);
  };
  EXPECT_EQ(kind_of(make_file("f", "abc"), O_RDONLY), HandleKind::kFile);
  EXPECT_EQ(kind_of(folder_, O_RDONLY | O_DIRECTORY), HandleKind::kDirectory);
  EXPECT_EQ(kind_of(make_fifo("p"), O_RDWR), HandleKind::kStream);
  EXPECT_EQ(kind_of("/dev/null", O_RDWR), HandleKind::kCharacter);
  EXPECT_EQ(kind_of(path("f"), O_PATH), HandleKind::kPath);
  EXPECT_EQ(kind_of("", O_RDONLY), HandleKind::kDirectory) << "no path: the root directory";
  EXPECT_EQ(me_.open(path("f"), O_RDONLY)->attributes.size_bytes, 3U);

  struct stat root;
  ASSERT_EQ(::stat("/", &root), 0);
  EXPECT_EQ(me_.open("", O_RDONLY)->attributes.inode, root.st_ino);
  EXPECT_EQ(me_.open("/", O_RDONLY)->attributes.device_minor, minor(root.st_dev));
}

TEST_F(FileExecTest, OpensTheSameFileAnewThroughAHandle) {
  const auto first = me_.must_open(make_file("f", "0123"), O_RDONLY);
  ASSERT_EQ(::unlink(path("f").c_str()), 0);
  EXPECT_EQ(me_.read(first, 2), "01");
  const auto second = me_.open("", O_RDONLY, 0, {first});
  ASSERT_EQ(second.error, 0);
  EXPECT_EQ(me_.read(second->handle, 4), "0123") << "an offset of its own";
  EXPECT_EQ(me_.open("", O_RDONLY | O_DIRECTORY, 0, {first}).error, ENOTDIR);
}

TEST_F(FileExecTest, DirectReadsAndWritesAreAligned) {
  const auto opened = me_.open(path("direct"), O_RDWR | O_CREAT | O_DIRECT);
  if (opened.error == EINVAL) GTEST_SKIP() << "this file system has no O_DIRECT";
  ASSERT_EQ(opened.error, 0);
  const std::string block(8192, 'd');
  EXPECT_EQ(me_.write(opened->handle, block), 8192);
  EXPECT_EQ(me_.read(opened->handle, 8192, 0), block);
}

TEST_F(FileExecTest, AllocatesAdvisesAndSyncs) {
  const auto handle = me_.must_open(path("f"), O_RDWR | O_CREAT);
  EXPECT_EQ(me_.ask<op::Allocate>({.mode = 0, .offset = 0, .length = 8192}, {handle}).error, 0);
  EXPECT_EQ(me_.seek(handle, 0, SEEK_END), 8192);
  EXPECT_EQ(me_.ask<op::Allocate>({.mode = 0, .offset = 0, .length = 0}, {handle}).error, EINVAL);
  EXPECT_EQ(me_.ask<op::Advise>({.advice = POSIX_FADV_SEQUENTIAL}, {handle}).error, 0);
  EXPECT_EQ(me_.ask<op::Advise>({.advice = 99}, {handle}).error, EINVAL);
  for (std::uint8_t kind = 0; kind <= 3; ++kind) EXPECT_EQ(me_.ask<op::Sync>({.kind = kind}, {handle}).error, 0);
  EXPECT_EQ(me_.ask<op::Sync>({.kind = 0}, {me_.must_open(make_fifo("p"), O_RDWR)}).error, EINVAL);
}

TEST_F(FileExecTest, HandlesAreTheClientsOwn) {
  Client other(executor_, 2, own_caller());
  const auto handle = me_.must_open(make_file("f", "abc"), O_RDONLY);
  EXPECT_EQ(other.read(handle, 3), "errno " + std::to_string(EBADF));
  EXPECT_EQ(other.close(handle), EBADF);
  EXPECT_EQ(me_.read(handle + 1, 3), "errno " + std::to_string(ESTALE));
  EXPECT_EQ(me_.read(0, 3), "errno " + std::to_string(EBADF));
  EXPECT_EQ(me_.close(handle), 0);
  EXPECT_EQ(me_.close(handle), ESTALE);
  EXPECT_EQ(me_.read(handle, 3), "errno " + std::to_string(ESTALE));
}

TEST_F(FileExecTest, ADroppedClientHoldsNothing) {
  Client other(executor_, 2, own_caller());
  const auto fifo = other.must_open(make_fifo("p"), O_RDWR);
  const UniqueFd reader(::open(path("p").c_str(), O_RDONLY | O_CLOEXEC));
  const auto file = other.must_open(make_file("f", "abc"), O_RDWR);
  EXPECT_EQ(other.lock(file, F_WRLCK), 0);
  Pending waiting = other.start_read(fifo, 1);
  Pending opening = other.start(wire::Opcode::kOpen, wire::OpenRequest{.flags = O_WRONLY, .path = make_fifo("q")});
  EXPECT_EQ(executor_.statistics().locks_held, 1U);

  executor_.drop_client(other.id());
  const int read_error = waiting.get().error;
  EXPECT_TRUE(read_error == EINTR || read_error == ESTALE) << read_error;
  EXPECT_EQ(opening.get().error, EINTR);
  EXPECT_EQ(executor_.statistics().handles_open, 0U);
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0) << "the last writer is gone: this read ends when it is closed";
  EXPECT_TRUE(comes_true([this] { return executor_.statistics().locks_held == 0; }));
}

TEST_F(FileExecTest, AnOpenThatEndsAfterItsClientIsClosedAgain) {
  Client other(executor_, 2, own_caller());
  std::vector<Pending> pending;
  make_file("f", "abc");
  for (int i = 0; i < 200; ++i) {
    pending.push_back(other.start(wire::Opcode::kOpen, wire::OpenRequest{.flags = O_RDONLY, .path = path("f")}));
  }
  executor_.drop_client(other.id());
  for (Pending& one : pending) one.get();
  EXPECT_EQ(executor_.statistics().handles_open, 0U);
}

class SmallExecTest : public ExecTest {
 protected:
  SmallExecTest() : ExecTest(ExecutorConfig{.handles_max = 3, .requests_max = 2}) {}
};

class LimitedExecTest : public ExecTest {
 protected:
  LimitedExecTest() : ExecTest(ExecutorConfig{.caller_handles_max = 1}) {}
};

TEST_F(LimitedExecTest, TheCallersOwnLimitIsEmfile) {
  if (::geteuid() != 0) GTEST_SKIP() << "another caller needs root";
  make_file("f", "abc");
  Client user(executor_, 2, user_caller(1000));
  const auto handle = user.must_open(path("f"), O_RDONLY);
  EXPECT_EQ(user.open(path("f"), O_RDONLY).error, EMFILE);
  EXPECT_EQ(user.close(handle), 0);
  EXPECT_EQ(user.open(path("f"), O_RDONLY).error, 0);
}

TEST_F(SmallExecTest, SaysSoWhenItIsFull) {
  make_file("f", "abc");
  std::vector<std::uint64_t> handles;
  for (int i = 0; i < 3; ++i) handles.push_back(me_.must_open(path("f"), O_RDONLY));
  EXPECT_EQ(me_.open(path("f"), O_RDONLY).error, ENFILE);
  EXPECT_EQ(me_.open(path("f"), O_WRONLY | O_TRUNC).error, ENFILE);
  EXPECT_EQ(content_of("f"), "abc") << "a refused open changes nothing";
  EXPECT_EQ(me_.open(path("new"), O_WRONLY | O_CREAT).error, ENFILE);
  EXPECT_EQ(::access(path("new").c_str(), F_OK), -1);
  EXPECT_EQ(me_.close(handles[0]), 0);
  const auto fifo = me_.must_open(make_fifo("p"), O_RDWR);

  Pending first = me_.start_read(fifo, 1), second = me_.start_read(fifo, 1);
  EXPECT_EQ(me_.open(path("f"), O_RDONLY).error, EAGAIN) << "two requests are in flight already";
  me_.cancel(first);
  me_.cancel(second);
  EXPECT_EQ(first.get().error, EINTR);
  EXPECT_EQ(second.get().error, EINTR);
  EXPECT_EQ(executor_.statistics().handles_open, 3U);
}

TEST_F(FileExecTest, ALackOfDescriptorsHereIsNotTheCallersLimit) {
  make_file("f", "abc");
  ASSERT_EQ(me_.open(path("f"), O_RDONLY).error, 0);
  rlimit saved;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &saved), 0);
  const rlimit none = {.rlim_cur = 3, .rlim_max = saved.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(me_.open(path("f"), O_RDONLY).error, ENFILE);
  EXPECT_EQ(me_.ask<op::ResolvePath>({.path = path("f")}).error, ENFILE);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &saved), 0);
}

TEST_F(FileExecTest, MalformedAndUnknownRequestsAreRefused) {
  EXPECT_EQ(me_.start(wire::Opcode::kOpen, wire::Empty{}).get().error, EBADMSG);
  EXPECT_EQ(me_.start(wire::Opcode::kPoll, wire::Empty{}).get().error, EBADMSG);
  EXPECT_EQ(me_.start(static_cast<wire::Opcode>(150), wire::Empty{}).get().error, EOPNOTSUPP);
  EXPECT_EQ(me_.start(wire::Opcode::kListNodes, wire::Empty{}).get().error, EOPNOTSUPP);
}

}  // namespace
}  // namespace qnet::exec
