// SPDX-License-Identifier: Apache-2.0
#include "transport/base/unique_fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace qnet {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}
int some_fd() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

TEST(UniqueFdTest, ClosesAtTheEnd) {
  int number = -1;
  {
    const UniqueFd fd(some_fd());
    number = fd.get();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFdTest, MovingLeavesOneOwner) {
  UniqueFd source(some_fd());
  const int number = source.get();
  UniqueFd target(std::move(source));
  EXPECT_FALSE(source);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(target.get(), number);

  UniqueFd other(some_fd());
  const int replaced = other.get();
  other = std::move(target);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFdTest, ReleaseGivesItAway) {
  UniqueFd fd(some_fd());
  const int number = fd.release();
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(number));
  fd.reset(number);
  fd.reset();
  EXPECT_FALSE(is_open(number));
}

}  // namespace
}  // namespace qnet
