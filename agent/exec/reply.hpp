// SPDX-License-Identifier: Apache-2.0
//
// reply.hpp: how does what an operation returns become the body of a reply?
#pragma once

#include <string_view>

#include "transport/base/buffer.hpp"
#include "transport/base/check.hpp"
#include "transport/wire/codec.hpp"

namespace qnet::exec {

inline std::size_t encoded_bytes(std::string_view text) {
  return 2 + text.size();
}
inline std::size_t encoded_bytes(const wire::Tail& tail) {
  return tail.bytes.size();
}
template <std::integral Integer>
std::size_t encoded_bytes(Integer) {
  return sizeof(Integer);
}
template <wire::HasFields Message>
std::size_t encoded_bytes(const Message& message) {
  return std::apply([](const auto&... member) { return (std::size_t{0} + ... + encoded_bytes(member)); },
                    message.fields());
}

template <wire::HasFields Message>
Buffer to_body(const Message& message) {
  Buffer body(encoded_bytes(message));
  QNET_CHECK(wire::encode(message, body.bytes()).has_value());
  return body;
}
/// Large replies are put together in place.
inline Buffer to_body(Buffer&& body) {
  return std::move(body);
}

}  // namespace qnet::exec
