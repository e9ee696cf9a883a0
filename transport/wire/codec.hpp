// SPDX-License-Identifier: Apache-2.0
//
// codec.hpp: how does a message's list of fields become bytes, and back?
//
// A message is a struct with fields() (its members in wire order, written once) and is_plausible() (its limits). A
// field is an integer, a text, a struct with fields() of its own, or as the last one a Tail.
#pragma once

#include <concepts>
#include <tuple>

#include "transport/base/result.hpp"
#include "transport/wire/cursor.hpp"

namespace qnet::wire {

template <class T>
concept HasFields = requires(T message) {
  message.fields();
};

template <class T>
concept HasLimits = requires(const T message) {
  { message.is_plausible() } -> std::same_as<bool>;
};

template <class Field>
void get_field(Reader& in, Field& field) {
  if constexpr (HasFields<Field>) {
    std::apply([&in](auto&... member) { (get_field(in, member), ...); }, field.fields());
  } else {
    in.get(field);
  }
}

template <class Field>
void put_field(Writer& out, const Field& field) {
  if constexpr (HasFields<const Field>) {
    std::apply([&out](const auto&... member) { (put_field(out, member), ...); }, field.fields());
  } else {
    out.put(field);
  }
}

/// Writes `message` to the front of `output`. Errors: EMSGSIZE when it does not fit.
/// Returns the part of `output` that was written.
template <HasFields Message>
[[nodiscard]] Result<ByteView> encode(const Message& message, MutableBytes output) {
  Writer out(output);
  put_field(out, message);
  if (out.has_failed()) return fail(EMSGSIZE, "encode: message too long");
  return ByteView(output.first(out.written_bytes()));
}

/// Views in the result point into `body`. Errors: EBADMSG when it is truncated, too long or implausible; handlers never
/// see such a message.
template <HasFields Message>
[[nodiscard]] Result<Message> decode(ByteView body) {
  Message message;
  Reader in(body);
  get_field(in, message);
  if (!in.ended_exactly()) return fail(EBADMSG, "decode: wrong length");
  if constexpr (HasLimits<Message>) {
    if (!message.is_plausible()) return fail(EBADMSG, "decode: value out of range");
  }
  return message;
}

}  // namespace qnet::wire
