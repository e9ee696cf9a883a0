// SPDX-License-Identifier: Apache-2.0
#include "agent/prefix_guard.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/agent/temporary_directory.hpp"

namespace qnet::agent {
namespace {

TEST(PrefixGuardTest, HidesNothing) {
  const test::TemporaryDirectory directory;
  EXPECT_EQ(reason_against_prefix(directory / "missing"), "");
  mkdir((directory / "empty").c_str(), 0755);
  EXPECT_EQ(reason_against_prefix(directory / "empty"), "");
  EXPECT_EQ(reason_against_prefix(directory.path()), "the directory is not empty");
  std::ofstream(directory / "file") << "x";
  EXPECT_NE(reason_against_prefix(directory / "file"), "");
  EXPECT_NE(reason_against_prefix("/proc").find("mount point"), std::string::npos);
}

TEST(PrefixGuardTest, TellsOnlyAnotherPrefixThanTheDefault) {
  const test::TemporaryDirectory directory;
  const std::string socket = directory / "agent.sock";
  {
    const Result<PrefixLink> link = PrefixLink::create(socket, "/remote");
    ASSERT_TRUE(link.has_value());
    EXPECT_EQ(std::filesystem::read_symlink(socket + ".prefix"), "/remote");
  }
  EXPECT_FALSE(std::filesystem::is_symlink(socket + ".prefix"));
  std::filesystem::create_symlink("/left/over", socket + ".prefix");
  const Result<PrefixLink> none = PrefixLink::create(socket, "/net");
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(std::filesystem::is_symlink(socket + ".prefix"));
}

}  // namespace
}  // namespace qnet::agent
