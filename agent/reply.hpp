// SPDX-License-Identifier: Apache-2.0
//
// reply.hpp: how does the agent hold an answer that is on its way to whoever asked?
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "agent/exec/executor.hpp"
#include "transport/base/buffer.hpp"
#include "transport/base/check.hpp"
#include "transport/wire/codec.hpp"
#include "transport/wire/errno_wire.hpp"
#include "transport/wire/message.hpp"

namespace qnet::agent {

/// What follows the ReplyHeader, with room for one in front; the error is the wire's number.
struct NodeReply {
  std::uint16_t error = 0;
  Buffer body{0};
  bool is_lost = false;  ///< the peer was lost; the call's connection is no longer its starter's
};

inline NodeReply failed(int error) {
  return {.error = wire::errno_to_wire(error)};
}

/// Nothing was sent: ESTALE means that no agent knows the handle any more.
inline NodeReply refused(int error) {
  return error == ESTALE ? NodeReply{.error = wire::kErrorHandleGone} : failed(error);
}

inline NodeReply to_node_reply(exec::Reply reply) {
  NodeReply answer = failed(reply.error);
  if (reply.error == -1) answer.error = wire::kErrorRedirect;
  if (reply.is_handle_gone) answer.error = wire::kErrorHandleGone;
  if (!reply.body.empty()) answer.body = std::move(reply.body);
  return answer;
}

/// A reply of the agent's own. Not for data: at most `Room` bytes.
template <std::size_t Room = 512, class Message>
NodeReply done(const Message& message) {
  std::array<std::byte, Room> bytes;
  const Result<ByteView> encoded = wire::encode(message, bytes);
  QNET_CHECK(encoded.has_value());
  return {.body = Buffer(*encoded)};
}

/// Lays the header of the same kind of hop in front of the body.
inline Buffer with_header(NodeReply reply, std::uint16_t opcode, std::uint64_t request) {
  const wire::ReplyHeader header{.size_bytes = static_cast<std::uint32_t>(reply.body.size()),
                                 .opcode = opcode,
                                 .error = reply.error,
                                 .request = request};
  QNET_CHECK(wire::encode(header, reply.body.grow_front(wire::ReplyHeader::kBytes)).has_value());
  return std::move(reply.body);
}

}  // namespace qnet::agent
