// SPDX-License-Identifier: Apache-2.0
#include "agent/config.hpp"

#include <gtest/gtest.h>

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

TEST(ConfigTest, NormalisesThePrefix) {
  Config config;
  ASSERT_FALSE(parse({"--trusted", "--name", "a", "--prefix", "//remote//nodes/"}, config).has_value());
  EXPECT_EQ(config.prefix, "/remote/nodes");
  EXPECT_EQ(config.executor.prefix, "/remote/nodes");
}

}  // namespace
}  // namespace qnet::agent
