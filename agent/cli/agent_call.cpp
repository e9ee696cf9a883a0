// SPDX-License-Identifier: Apache-2.0
//
// agent_call.cpp: how does a command ask the local agent, and say that it cannot?
#include <cstdio>
#include <cstring>

#include "agent/cli/cli.hpp"
#include "agent/client/client.hpp"

namespace qnet::cli {
namespace {

constexpr std::size_t kAnswerBytesMax = 1 << 20;

}  // namespace

Result<ByteView> ask(wire::Opcode opcode, std::string& room, ByteView body) {
  room.resize(kAnswerBytesMax);
  const iovec piece{room.data(), room.size()};
  client::CallOptions options;
  options.data_in = {&piece, 1};
  client::Exchange exchange;
  const Result<ByteView> answer = client::call_raw(opcode, {}, body, exchange, options);
  if (!answer) return fail(answer.error());
  return as_bytes(room.data(), options.received_bytes);
}

int complain(const std::string& what, int status) {
  std::fprintf(stderr, "qnet: %s\n", what.c_str());
  return status;
}

int complain_about_answer() {
  return complain("the agent's answer makes no sense", 1);
}

int complain_about_agent(int error) {
  if (error == ENONET) return complain(std::string("no agent answers on ") + client::socket_path(), 1);
  return complain(std::string("the agent answers: ") + std::strerror(error), 1);
}

}  // namespace qnet::cli
