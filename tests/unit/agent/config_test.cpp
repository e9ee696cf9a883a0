// SPDX-License-Identifier: Apache-2.0
#include "agent/config.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/agent/temporary_directory.hpp"

namespace qnet::agent {
namespace {

std::optional<Refusal> parse(std::vector<const char*> words, Config& config) {
  words.insert(words.begin(), "qnetd");
  return parse_command_line(static_cast<int>(words.size()), words.data(), config);
}

/// The complaint about a command line that is fine but for `words`.
std::string complaint(std::vector<const char*> words) {
  words.insert(words.end(), {"--trusted", "--name", "a", "--link", "en0=udp:10.0.0.1"});
  Config config;
  const std::optional<Refusal> refusal = parse(words, config);
  if (!refusal) return "";
  EXPECT_EQ(refusal->status, 2);
  EXPECT_EQ(refusal->text.find('\n'), std::string::npos) << "more than one line";
  return refusal->text;
}

TEST(ConfigTest, TakesLinksAndPeers) {
  Config config;
  const auto refusal = parse({"--trusted", "--name", "a", "--link", "en0=udp:10.0.0.1", "--link", "en1=udp:[fe80::1]:9",
                              "--peer", "b=en0@10.0.0.2,en1@[fe80::2]:9", "--peer", "c=en1@10.1.0.3"},
                             config);
  ASSERT_FALSE(refusal.has_value()) << refusal->text;
  ASSERT_EQ(config.links.size(), 2u);
  EXPECT_EQ(config.links[1].address, "udp:[fe80::1]:9");
  ASSERT_EQ(config.peers.size(), 2u);
  ASSERT_EQ(config.peers[0].paths.size(), 2u);
  EXPECT_EQ(config.peers[0].paths[1].link, "en1");
  EXPECT_EQ(config.peers[0].paths[1].address, "[fe80::2]:9");
}

TEST(ConfigTest, TakesOptionsOfLinks) {
  Config config;
  const auto refusal = parse({"--trusted", "--name", "a", "--link", "en0=udp:10.0.0.1,crc=on,mtu=1400", "--link",
                              "en1=udp:[fe80::1%eth0]:9,mtu=9000", "--link", "en2=udp:10.2.0.1,crc=off"},
                             config);
  ASSERT_FALSE(refusal.has_value()) << refusal->text;
  ASSERT_EQ(config.links.size(), 3u);
  EXPECT_EQ(config.links[0].address, "udp:10.0.0.1");
  EXPECT_TRUE(config.links[0].has_crc);
  EXPECT_EQ(config.links[0].options.mtu_bytes, 1400u);
  EXPECT_EQ(config.links[1].address, "udp:[fe80::1%eth0]:9");
  EXPECT_FALSE(config.links[1].has_crc);
  EXPECT_EQ(config.links[1].options.mtu_bytes, 9000u);
  EXPECT_FALSE(config.links[2].has_crc);
  EXPECT_EQ(config.links[2].options.mtu_bytes, link::LinkOptions().mtu_bytes);
}

TEST(ConfigTest, TakesTimesWithTheirUnit) {
  Config config;
  const auto refusal = parse({"--trusted", "--name", "a", "--call-grace", "750ms", "--session-hold", "3s"}, config);
  ASSERT_FALSE(refusal.has_value()) << refusal->text;
  EXPECT_EQ(config.engine.call_grace, std::chrono::milliseconds(750));
  EXPECT_EQ(config.engine.session_hold, std::chrono::seconds(3));
}

TEST(ConfigTest, RefusesToRunWithoutTrustedAndWithAKey) {
  Config config;
  const auto untrusted = parse({"--name", "a"}, config);
  ASSERT_TRUE(untrusted.has_value());
  EXPECT_EQ(untrusted->status, 2);
  EXPECT_NE(untrusted->text.find("not authenticated"), std::string::npos);
  EXPECT_NE(complaint({"--key", "/etc/key"}).find("--key"), std::string::npos);
}

TEST(ConfigTest, RefusesWhatMakesNoSenseInOneLine) {
  EXPECT_EQ(complaint({}), "");
  EXPECT_NE(complaint({"--bogus"}), "");
  EXPECT_NE(complaint({"--call-grace", "5"}), "");
  EXPECT_NE(complaint({"--call-grace", "-5ms"}), "");
  EXPECT_NE(complaint({"--workers-max", "0"}), "");
  EXPECT_NE(complaint({"--link", "en0=udp:10.0.0.9"}), "") << "the same link twice";
  EXPECT_NE(complaint({"--link", "noaddress"}), "");
  for (const char* option : {"crc", "crc=yes", "mtu=", "mtu=575", "mtu=65536", "mtu=1400x", "speed=1", "", ","}) {
    const std::string link = std::string("en9=udp:10.0.0.9,") + option;
    EXPECT_NE(complaint({"--link", link.c_str()}).find("options are crc=on"), std::string::npos) << option;
  }
  EXPECT_NE(complaint({"--peer", "a=en0@10.0.0.2"}), "") << "the node itself";
  EXPECT_NE(complaint({"--peer", "b=en7@10.0.0.2"}), "") << "no such link";
  EXPECT_NE(complaint({"--peer", "b=en0"}), "");
  EXPECT_NE(complaint({"--peer", "b="}), "");
  EXPECT_NE(complaint({"--peer", "b=en0@1.1.1.1", "--peer", "b=en0@1.1.1.2"}), "");
  EXPECT_NE(complaint({"--prefix", "net"}), "");
  EXPECT_NE(complaint({"--prefix", "/"}), "");
  EXPECT_NE(complaint({"--prefix", "/a/../b"}), "");
  EXPECT_NE(complaint({"--log-level", "loud"}), "");
}

TEST(ConfigTest, HelpNamesEverySettingWithItsDefault) {
  Config config;
  const auto help = parse({"--help"}, config);
  ASSERT_TRUE(help.has_value());
  EXPECT_EQ(help->status, 0);
  for (const char* text : {"--probe-interval", "10ms", "--link-dead-after", "40ms", "--call-grace", "250ms",
                           "--session-hold", "10s", "--workers-max", "256", "--state-dir", "--config"}) {
    EXPECT_NE(help->text.find(text), std::string::npos) << text;
  }
}

class ConfigFileTest : public testing::Test {
 protected:
  std::optional<Refusal> parse_file(const std::string& text, std::vector<const char*> words = {}) {
    std::ofstream(path_) << text;
    words.insert(words.end(), {"--config", path_.c_str()});
    return parse(words, config_);
  }
  test::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "qnetd.conf";
  Config config_;
};

TEST_F(ConfigFileTest, HoldsTheSameSettingsAsTheCommandLine) {
  const auto refusal = parse_file(
      "# a comment\n\ntrusted\nname = a\n link=en0=udp:10.0.0.1\r\npeer = b=en0@10.0.0.2,en1@10.1.0.2\n"
      "link = en1=udp:10.1.0.1\npeer = \"c=en1@10.1.0.3\"\ncall-grace = 300ms\n");
  ASSERT_FALSE(refusal.has_value()) << refusal->text;
  EXPECT_EQ(config_.name, "a");
  ASSERT_EQ(config_.links.size(), 2u);
  EXPECT_EQ(config_.links[1].address, "udp:10.1.0.1");
  ASSERT_EQ(config_.peers.size(), 2u);
  EXPECT_EQ(config_.peers[0].paths.size(), 2u);
  EXPECT_EQ(config_.peers[1].name, "c");
  EXPECT_EQ(config_.engine.call_grace, std::chrono::milliseconds(300));
}

TEST_F(ConfigFileTest, TheCommandLineWins) {
  const auto refusal = parse_file("trusted=true\nname=a\nlink=en0=udp:10.0.0.1\npeer=b=en0@10.0.0.2\nhandles-max=7\n",
                                  {"--name", "z", "--peer", "c=en0@10.0.0.3", "--handles-max", "8"});
  ASSERT_FALSE(refusal.has_value()) << refusal->text;
  EXPECT_EQ(config_.name, "z");
  ASSERT_EQ(config_.peers.size(), 1u);
  EXPECT_EQ(config_.peers[0].name, "c");
  EXPECT_EQ(config_.executor.handles_max, 8u);
}

TEST_F(ConfigFileTest, SaysWhichLineIsWrong) {
  const std::pair<const char*, const char*> wrongs[] = {
      {"trusted\nname=a\ncolour=blue\n", "line 3: there is no setting \"colour\""},
      {"trusted\nconfig=x\n", "line 2: there is no setting \"config\""},
      {"trusted\n= 3\n", "line 2: there is no setting \"\""},
      {"trusted=maybe\n", "line 1: trusted is true or false"},
      {"name\n", "line 1: name needs a value"},
      {"name=a\nname=b\n", "line 2: name is given twice"},
  };
  for (const auto& [text, complaint] : wrongs) {
    const auto refusal = parse_file(text);
    ASSERT_TRUE(refusal.has_value()) << text;
    EXPECT_EQ(refusal->status, 2);
    EXPECT_EQ(refusal->text, path_ + ": " + complaint);
  }
  const auto missing = parse({"--trusted", "--config", "/nonexistent.conf"}, config_);
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->status, 2);
  EXPECT_NE(missing->text.find("/nonexistent.conf"), std::string::npos);
}

TEST(ConfigTest, NormalisesThePrefix) {
  Config config;
  ASSERT_FALSE(parse({"--trusted", "--name", "a", "--prefix", "//remote//nodes/"}, config).has_value());
  EXPECT_EQ(config.prefix, "/remote/nodes");
  EXPECT_EQ(config.executor.prefix, "/remote/nodes");
}

}  // namespace
}  // namespace qnet::agent
