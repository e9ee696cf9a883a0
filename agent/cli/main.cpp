// SPDX-License-Identifier: Apache-2.0
//
// main.cpp: what has the user of `qnet` asked for?
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "agent/cli/cli.hpp"
#include "agent/client/client.hpp"
#include "transport/base/version.hpp"

int main(int count, char** arguments) {
  CLI::App app("qnet: several Linux machines that behave as one.", "qnet");
  app.set_version_flag("--version", std::string("qnet ") + qnet::kVersion);
  app.require_subcommand(1);
  app.fallthrough();
  std::string socket;
  app.add_option("--socket", socket, "where the agent listens; default: QNET_SOCKET, /run/qnet/agent.sock, …")
      ->type_name("PATH");

  bool as_json = false;
  const auto* run = app.add_subcommand("run", "run COMMAND…, a program that sees the other nodes below /net");
  auto* nodes = app.add_subcommand("nodes", "list the nodes");
  nodes->add_flag("--json", as_json, "as JSON");
  auto* links = app.add_subcommand("links", "list the ways to the other nodes and how they are");
  links->add_flag("--json", as_json, "as JSON");
  auto* events = app.add_subcommand("events", "follow what happens to the links and to the other nodes");
  bool with_past = false;
  events->add_flag("--past", with_past, "begin with what the agent remembers");
  events->add_flag("--json", as_json, "a JSON object a line");
  auto* ping = app.add_subcommand("ping", "measure the way to a node and back, through both agents");
  std::string node;
  unsigned pings = 4;
  ping->add_option("NODE", node, "which one, also as NODE~POLICY")->required();
  ping->add_option("-c,--count", pings, "how many times")
      ->type_name("N")
      ->default_str("4")
      ->check(CLI::Range(1U, 1000000U));
  ping->add_flag("--json", as_json, "as JSON");
  auto* stats = app.add_subcommand("stats", "show the agent's counters");
  stats->add_flag("--json", as_json, "as JSON");
  std::vector<std::string> words(arguments + 1, arguments + std::max(count, 1));
  const std::vector<std::string> command = qnet::cli::take_command(words);
  try {
    std::ranges::reverse(words);  // As CLI11 wants them.
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::CallForVersion&) {
    std::printf("qnet %s\n", qnet::kVersion);
    return 0;
  } catch (const CLI::ParseError& error) {
    return qnet::cli::complain(error.what(), 2);
  }

  if (!socket.empty()) setenv("QNET_SOCKET", socket.c_str(), 1);  // The program that `run` starts needs it, too.
  qnet::client::configure(socket.empty() ? std::getenv("QNET_SOCKET") : socket.c_str());
  if (*run && command.empty()) return qnet::cli::complain("run: which command?", 2);
  if (*run) return qnet::cli::run_command(command);
  if (*nodes) return qnet::cli::nodes_command(as_json);
  if (*links) return qnet::cli::links_command(as_json);
  if (*events) return qnet::cli::events_command(with_past, as_json);
  if (*ping) return qnet::cli::ping_command(node, pings, as_json);
  return qnet::cli::stats_command(as_json);
}
