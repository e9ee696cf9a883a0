// SPDX-License-Identifier: Apache-2.0
//
// message_table.hpp: one example of every message, with the bytes it has on the wire
//
// A row knows how to encode its example and how to decode any bytes as its type, so that tests run over all messages
// without naming one. `golden` is hexadecimal, grouped by field; blanks mean nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "transport/wire/agent_ops.hpp"
#include "transport/wire/attr_ops.hpp"
#include "transport/wire/dir_ops.hpp"
#include "transport/wire/file_ops.hpp"
#include "transport/wire/xattr_ops.hpp"

namespace qnet::wire::test {

using Bytes = std::vector<std::byte>;

struct Row {
  std::string name;
  std::string golden;
  Bytes encoded;
  /// The length of what precedes the Tail; the whole message where there is none.
  std::size_t fixed_bytes = 0;
  bool has_tail = false;
  /// Decodes and encodes again; nothing if the decoder refuses.
  std::function<std::optional<Bytes>(ByteView)> recode;
};

const std::vector<Row>& message_table();

Bytes from_hex(std::string_view hex);
std::string to_hex(ByteView bytes);

template <class Message>
constexpr bool ends_with_tail() {
  using Fields = decltype(std::declval<Message&>().fields());
  if constexpr (std::tuple_size_v<Fields> == 0) return false;
  else return std::is_same_v<std::tuple_element_t<std::tuple_size_v<Fields> - 1, Fields>, Tail&>;
}

template <class Message>
std::optional<Bytes> encode_all(const Message& message, std::size_t bytes_max = kMessageBytesMax) {
  Bytes room(bytes_max);
  const Result<ByteView> encoded = encode(message, room);
  if (!encoded) return std::nullopt;
  return Bytes(encoded->begin(), encoded->end());
}

template <class Message>
std::optional<Bytes> recode(ByteView input) {
  const Result<Message> message = decode<Message>(input);
  if (!message) return std::nullopt;
  return encode_all(*message, input.size() + 16);
}

template <class Message>
Row make_row(std::string name, const Message& message, std::string golden) {
  Row row{.name = std::move(name), .golden = std::move(golden)};
  row.encoded = encode_all(message).value();
  row.fixed_bytes = row.encoded.size();
  if constexpr (ends_with_tail<Message>()) {
    row.has_tail = true;
    row.fixed_bytes -= std::get<std::tuple_size_v<decltype(message.fields())> - 1>(message.fields()).bytes.size();
  }
  row.recode = recode<Message>;
  return row;
}

}  // namespace qnet::wire::test
