// SPDX-License-Identifier: Apache-2.0
#include "agent/shadow_directory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/agent/temporary_directory.hpp"

namespace qnet::agent {
namespace {

std::string path_of(int fd) {
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
}

class ShadowDirectoryTest : public testing::Test {
 protected:
  test::TemporaryDirectory run_;
  Result<ShadowDirectory> shadows_ = ShadowDirectory::create(run_.path());
};

TEST_F(ShadowDirectoryTest, EndsWithTheVirtualPathAndIsGone) {
  ASSERT_TRUE(shadows_.has_value());
  for (const std::string path : {"/net", "/net/b/etc", "/net/b/with space\n\\and\xff(deleted)", "/net//b"}) {
    const Result<UniqueFd> entered = shadows_->enter(path, HandleId{7});
    ASSERT_TRUE(entered.has_value()) << path << " " << entered.error().where;
    const std::string text = path_of(entered->get());
    EXPECT_TRUE(text.starts_with(run_.path() + "/.qnet-cwd/7/net")) << text;
    const std::string wanted = path == "/net//b" ? "/net/b" : path;
    EXPECT_TRUE(text.ends_with(wanted + " (deleted)")) << text;
    EXPECT_EQ(mkdirat(entered->get(), "x", 0755), -1);
    EXPECT_EQ(errno, ENOENT);
    struct stat info;
    ASSERT_EQ(fstat(entered->get(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, geteuid() == 0 ? 0555u : 0755u);
  }
  EXPECT_TRUE(std::filesystem::is_empty(run_ / ".qnet-cwd"));
}

TEST_F(ShadowDirectoryTest, TakesThePathsThatALongPathIsMadeOf) {
  ASSERT_TRUE(shadows_.has_value());
  std::string deep = "/net/b";
  for (int i = 0; i < 100; ++i) deep += "/d";
  std::string wide = "/net/b";
  for (int i = 0; i < 15; ++i) wide += "/" + std::string(255, 'w');
  for (const std::string& path : {deep, wide}) {
    EXPECT_TRUE(shadows_->enter(path, HandleId{7}).has_value());
  }
  EXPECT_TRUE(std::filesystem::is_empty(run_ / ".qnet-cwd"));
}

TEST_F(ShadowDirectoryTest, RefusesWhatItCannotNameAndLeavesNothingBehind) {
  ASSERT_TRUE(shadows_.has_value());
  EXPECT_EQ(shadows_->enter("/net/b/../..", {}).error().code, EINVAL);
  EXPECT_EQ(shadows_->enter("/net/b/./c", {}).error().code, EINVAL);
  EXPECT_EQ(shadows_->enter("/net/b/" + std::string(256, 'x'), {}).error().code, ENAMETOOLONG);
  EXPECT_TRUE(std::filesystem::is_empty(run_ / ".qnet-cwd"));
}

TEST(ShadowDirectoryStartTest, EmptiesWhatAKilledAgentLeft) {
  const test::TemporaryDirectory run;
  std::filesystem::create_directories(run / ".qnet-cwd/7/net/b");
  {
    Result<ShadowDirectory> shadows = ShadowDirectory::create(run.path());
    ASSERT_TRUE(shadows.has_value());
    EXPECT_TRUE(std::filesystem::is_empty(run / ".qnet-cwd"));
  }
  EXPECT_FALSE(std::filesystem::exists(run / ".qnet-cwd"));
}

}  // namespace
}  // namespace qnet::agent
