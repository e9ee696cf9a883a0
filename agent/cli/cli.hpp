// SPDX-License-Identifier: Apache-2.0
//
// cli.hpp: which commands does `qnet` have?
//
// Each returns the exit status: 0 done, 1 no agent or it refused (one line on stderr), 2 bad command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "transport/base/bytes.hpp"
#include "transport/base/result.hpp"
#include "transport/wire/agent_ops.hpp"
#include "transport/wire/codec.hpp"
#include "transport/wire/opcode.hpp"

namespace qnet::cli {

/// `qnet [OPTIONS] run [OPTIONS] [--] COMMAND…`: takes the command off the words, with all of its own options. Empty if
/// the words ask for something else or hold none.
std::vector<std::string> take_command(std::vector<std::string>& words);

/// Runs a program under libqnet.so; returns only if it cannot: 126, 127 as env(1) does, 1 without an agent.
int run_command(const std::vector<std::string>& command);
int nodes_command(bool as_json);
int links_command(bool as_json);
/// Prints what happens to links and peers, a line each, until it is ended or the agent is. `with_past`: begins with
/// what the agent remembers.
int events_command(bool with_past, bool as_json);
int stats_command(bool as_json);
/// `count` requests to the node and back, one after the other. As ping(8): 0 if one was answered, else 1.
int ping_command(const std::string& node, unsigned count, bool as_json);

/// "qnet: <what>" on standard error.
int complain(const std::string& what, int status);
/// Says that there is no agent, or what it answered.
int complain_about_agent(int error);
/// Says that what it answered cannot be read.
int complain_about_answer();

/// A request to the local agent, with an encoded body or none; the answer lies in `room`.
Result<ByteView> ask(wire::Opcode opcode, std::string& room, ByteView body = {});

/// What a listing holds; nothing if it makes no sense. The texts lie in `bytes`.
template <class Entry>
std::optional<std::vector<Entry>> entries_of(ByteView bytes) {
  std::vector<Entry> entries;
  for (wire::Reader in(bytes); !in.rest().empty();) {
    wire::get_field(in, entries.emplace_back());
    if (in.has_failed()) return std::nullopt;
  }
  return entries;
}

/// Asks for a listing and prints it one way or the other. Returns the exit status.
template <class Entry>
int show_listing(wire::Opcode opcode, bool as_json, void (*print_table)(const std::vector<Entry>&),
                 void (*print_json)(const std::vector<Entry>&)) {
  std::string room;
  const auto bytes = ask(opcode, room);
  if (!bytes) return complain_about_agent(bytes.error().code);
  const auto entries = entries_of<Entry>(*bytes);
  if (!entries) return complain_about_answer();
  (as_json ? print_json : print_table)(*entries);
  return 0;
}

/// "2026-03-01 12:00:00" in local time.
std::string time_text(std::int64_t seconds);
/// "42s", "17m", "3h", "12d": how long ago that was.
std::string age_text(std::int64_t since_s);

}  // namespace qnet::cli
