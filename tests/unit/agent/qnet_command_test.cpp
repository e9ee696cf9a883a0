// SPDX-License-Identifier: Apache-2.0
//
// The `qnet` command against real agents: what it prints, and its status.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/unit/agent/agent_pair.hpp"

namespace qnet::test {
namespace {

struct Outcome {
  int status = -1;
  std::string text;  // standard output and error
};

/// Runs `qnet <words>` by the shell.
Outcome qnet(const std::string& words) {
  Outcome outcome;
  FILE* pipe = popen((std::string(QNET) + " " + words + " 2>&1").c_str(), "re");
  std::array<char, 4096> text;
  for (std::size_t count; (count = fread(text.data(), 1, text.size(), pipe)) > 0;) {
    outcome.text.append(text.data(), count);
  }
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

TEST(QnetCommandTest, WithoutAnAgentSaysSoInOneLine) {
  for (const char* words : {"run true", "nodes", "stats --json"}) {
    const Outcome outcome = qnet(std::string("--socket /nonexistent/agent.sock ") + words);
    EXPECT_EQ(outcome.status, 1) << words;
    EXPECT_EQ(outcome.text, "qnet: no agent answers on /nonexistent/agent.sock\n");
  }
}

TEST(QnetCommandTest, RefusesWhatItDoesNotKnow) {
  for (const char* words : {"", "frobnicate", "nodes --frob", "run"}) {
    EXPECT_EQ(qnet(words).status, 2) << words;
  }
  EXPECT_EQ(qnet("--version").status, 0);
  EXPECT_NE(qnet("--help").text.find("run"), std::string::npos);
}

class QnetCommandPairTest : public AgentPair {
 protected:
  Outcome with_agent(const std::string& words) const { return qnet("--socket " + socket("a") + " " + words); }
};

TEST_F(QnetCommandPairTest, ListsTheNodes) {
  const Outcome table = with_agent("nodes");
  EXPECT_EQ(table.status, 0);
  EXPECT_NE(table.text.find("self"), std::string::npos) << table.text;
  const auto list = nlohmann::json::parse(with_agent("nodes --json").text, nullptr, false);
  ASSERT_TRUE(list.is_array());
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["name"], "a");
  EXPECT_EQ(list[0]["state"], "self");
  EXPECT_EQ(list[1]["name"], "b");
  EXPECT_EQ(list[1]["state"], "up");
  EXPECT_EQ(list[1]["reason"], "");
  EXPECT_GT(list[1]["incarnation"].get<std::uint64_t>(), 0u);
  EXPECT_GT(list[1]["since"].get<std::int64_t>(), 0);
}

TEST_F(QnetCommandPairTest, ShowsTheCounters) {
  const auto parts = nlohmann::json::parse(with_agent("stats --json").text, nullptr, false);
  ASSERT_TRUE(parts.is_object());
  EXPECT_EQ(parts["executor"]["handles_open"], 0);
  for (const auto& [name, counters] : parts.items()) {
    for (const auto& [counter, value] : counters.items()) EXPECT_TRUE(value.is_number_unsigned()) << name << counter;
  }
  EXPECT_NE(with_agent("stats").text.find("executor.handles_open"), std::string::npos);
}

/// The library may not be built where this test is: it is told by LD_PRELOAD, which the program prints.
TEST_F(QnetCommandPairTest, RunsProgramsWithTheirOwnOptions) {
  const Outcome printed = with_agent("run -- /bin/sh -c 'printf %s:%s: \"$QNET_SOCKET\" \"$1\"' -- --version");
  EXPECT_EQ(printed.status, 0) << printed.text;
  EXPECT_NE(printed.text.find(socket("a") + ":--version:"), std::string::npos) << printed.text;
  EXPECT_EQ(with_agent("run sh -c 'exit 7'").status, 7);
  EXPECT_EQ(with_agent("run /nonexistent/program").status, 127);
  EXPECT_EQ(with_agent("run /etc/passwd").status, 126);
  EXPECT_EQ(qnet("run --socket " + socket("a") + " true").status, 0);
  EXPECT_NE(with_agent("run env --help").text.find("Usage: env"), std::string::npos) << "env's own help";
  EXPECT_NE(with_agent("run --help").text.find("qnet"), std::string::npos);
  const Outcome preload = qnet("--socket " + socket("a") + " run env");
  EXPECT_NE(preload.text.find("LD_PRELOAD="), std::string::npos);
  EXPECT_NE(preload.text.find("libqnet.so"), std::string::npos);
}

}  // namespace
}  // namespace qnet::test
