// SPDX-License-Identifier: Apache-2.0
#include "agent/entered_directories.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/agent/temporary_directory.hpp"

namespace qnet::agent {
namespace {

class EnteredDirectoriesTest : public testing::Test {
 protected:
  /// A directory that is removed already.
  UniqueFd make_shadow() {
    const std::string path = directory_ / "shadow";
    EXPECT_EQ(mkdir(path.c_str(), 0755), 0);
    UniqueFd shadow(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    EXPECT_EQ(rmdir(path.c_str()), 0);
    return shadow;
  }
  /// Keeps one end of a pair for `key`, which is no more at hand; returns the other.
  UniqueFd keep(const HandleKey& key, int shadow) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    entered_.keep({key, Incarnation{5}, 1000, {0, 1, key.handle.value}, "/net/b/d"}, UniqueFd(ends[0]), shadow, at_);
    return UniqueFd(ends[1]);
  }
  bool is_kept(const UniqueFd& other_end) {
    entered_.on_time(at_ + EnteredDirectories::kAtHandTime);
    first_look_.on_ready(0);
    char byte;
    return recv(other_end.get(), &byte, 1, 0) < 0 && errno == EAGAIN;
  }

  test::TemporaryDirectory directory_;
  boost::asio::io_context io_;
  Reactor reactor_{io_};
  FirstLook first_look_{reactor_};
  EnteredDirectories entered_{first_look_};
  const Instant at_ = now();
};

constexpr HandleKey kFirst{NodeRef{0}, HandleId{1}}, kSecond{NodeRef{0}, HandleId{2}};

TEST_F(EnteredDirectoriesTest, AHandleIsKeptUntilTheLastUseOfItsShadow) {
  UniqueFd first = make_shadow(), second = make_shadow();
  const UniqueFd first_end = keep(kFirst, first.get()), second_end = keep(kSecond, second.get());
  UniqueFd copy(fcntl(first.get(), F_DUPFD_CLOEXEC, 0));
  first.reset();
  EXPECT_TRUE(is_kept(first_end)) << "a duplicate is still open";
  copy.reset();
  EXPECT_FALSE(is_kept(first_end));
  EXPECT_TRUE(is_kept(second_end));
  EXPECT_EQ(entered_.size(), 1U);
  second.reset();
  EXPECT_FALSE(is_kept(second_end));
  EXPECT_EQ(entered_.size(), 0U);
}

TEST_F(EnteredDirectoriesTest, AShadowShowsItsOwnHandleOnly) {
  UniqueFd first = make_shadow();
  const UniqueFd second = make_shadow();
  const UniqueFd first_end = keep(kFirst, first.get()), second_end = keep(kSecond, second.get());
  EXPECT_TRUE(entered_.is_shadow_of(kFirst, first.get()));
  EXPECT_FALSE(entered_.is_shadow_of(kFirst, second.get()));
  EXPECT_FALSE(entered_.is_shadow_of(kFirst, -1));
  first.reset();
  for (int i = 0; i < 10; ++i) {
    const UniqueFd later = make_shadow();  // Perhaps with the number of the first.
    EXPECT_FALSE(entered_.is_shadow_of(kFirst, later.get()));
  }
}

TEST_F(EnteredDirectoriesTest, ForAMomentTheSameDirectoryIsAtHand) {
  UniqueFd shadow = make_shadow();
  struct stat made, found;
  ASSERT_EQ(fstat(shadow.get(), &made), 0);
  const UniqueFd end = keep(kFirst, shadow.get());
  shadow.reset();
  EnteredDirectories::Where where{kSecond, Incarnation{5}, 1000, {0, 1, kFirst.handle.value}, "/net/b/d"};
  std::optional<UniqueFd> again = entered_.find(where, at_ + EnteredDirectories::kAtHandTime / 2);
  ASSERT_TRUE(again.has_value()) << "another handle of the same directory";
  ASSERT_EQ(fstat(again->get(), &found), 0);
  EXPECT_EQ(found.st_ino, made.st_ino);
  again.reset();
  EXPECT_TRUE(is_kept(end)) << "the time began anew";
  where.user = 1001;
  EXPECT_FALSE(entered_.find(where, at_).has_value()) << "what another has opened";
  where.user = 1000;
  where.path = "/net/b/e";
  EXPECT_FALSE(entered_.find(where, at_).has_value());
  where.path = "/net/b/d";
  where.file.inode = kSecond.handle.value;
  EXPECT_FALSE(entered_.find(where, at_).has_value());
  EXPECT_EQ(entered_.deadline(), at_ + EnteredDirectories::kAtHandTime * 3 / 2);
  entered_.on_time(*entered_.deadline());
  EXPECT_FALSE(is_kept(end));
}

TEST_F(EnteredDirectoriesTest, WhatCannotBeWatchedIsNotKept) {
  EXPECT_FALSE(is_kept(keep(kFirst, -1)));
  EXPECT_EQ(entered_.not_kept(), 1U);
}

TEST_F(EnteredDirectoriesTest, WithoutInotifyNothingIsKeptForEver) {
  UniqueFd shadow = make_shadow();
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  const UniqueFd other_end(ends[1]);
  rlimit saved;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &saved), 0);
  const rlimit none = {.rlim_cur = 3, .rlim_max = saved.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EnteredDirectories blind(first_look_);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
  blind.keep({kFirst, Incarnation{5}, 1000, {0, 1, 1}, "/net/b/d"}, UniqueFd(ends[0]), shadow.get(), at_);
  EXPECT_EQ(blind.size(), 0U);
  EXPECT_EQ(blind.not_kept(), 1U);
  EXPECT_FALSE(is_kept(other_end)) << "the handle is closed";
}

}  // namespace
}  // namespace qnet::agent
