// SPDX-License-Identifier: Apache-2.0
//
// cursor.hpp: how is one value read or written, little-endian and never beyond the end?
//
// A Reader or Writer that went beyond the end stays failed, gives zeros, and says so: check once, at the end.
// Nothing is allocated; texts and bytes that a Reader gives point into its input.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "transport/base/bytes.hpp"

namespace qnet::wire {

/// The rest of a message, without a length of its own: only as the last field.
struct Tail {
  ByteView bytes;
  friend bool operator==(const Tail& a, const Tail& b) { return as_text(a.bytes) == as_text(b.bytes); }
};

class Reader {
 public:
  explicit Reader(ByteView input) : input_(input) {}

  template <std::integral Integer>
  void get(Integer& value) {
    const ByteView raw = take(sizeof(Integer));
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < raw.size(); ++i) bits |= std::to_integer<std::uint64_t>(raw[i]) << (8 * i);
    value = static_cast<Integer>(bits);
  }

  /// u16 length, bytes. Contains no NUL byte: every text ends up as a C string somewhere.
  void get(std::string_view& text) {
    std::uint16_t length = 0;
    get(length);
    text = as_text(take(length));
    if (text.find('\0') != std::string_view::npos) has_failed_ = true;
  }

  void get(Tail& tail) {
    tail.bytes = input_;
    input_ = {};
  }

  /// Exactly `count` bytes, or none and failure.
  ByteView take(std::size_t count) {
    if (has_failed_ || count > input_.size()) {
      has_failed_ = true;
      return {};
    }
    const ByteView taken = input_.first(count);
    input_ = input_.subspan(count);
    return taken;
  }

  ByteView rest() const { return input_; }
  bool has_failed() const { return has_failed_; }
  /// Everything was there and nothing is left over.
  bool ended_exactly() const { return !has_failed_ && input_.empty(); }

 private:
  ByteView input_;
  bool has_failed_ = false;
};

class Writer {
 public:
  explicit Writer(MutableBytes output) : output_(output) {}

  template <std::integral Integer>
  void put(Integer value) {
    const MutableBytes raw = take(sizeof(Integer));
    auto bits = static_cast<std::uint64_t>(value);
    for (std::byte& b : raw) {
      b = static_cast<std::byte>(bits & 0xff);
      bits >>= 8;
    }
  }

  void put(std::string_view text) {
    if (text.size() > UINT16_MAX) has_failed_ = true;
    put(static_cast<std::uint16_t>(text.size()));
    put_raw(as_bytes(text));
  }

  void put(const Tail& tail) { put_raw(tail.bytes); }

  void put_raw(ByteView bytes) {
    const MutableBytes room = take(bytes.size());
    if (!room.empty()) std::memcpy(room.data(), bytes.data(), bytes.size());
  }

  std::size_t written_bytes() const { return written_bytes_; }
  bool has_failed() const { return has_failed_; }

 private:
  MutableBytes take(std::size_t count) {
    if (has_failed_ || count > output_.size() - written_bytes_) {
      has_failed_ = true;
      return {};
    }
    const MutableBytes room = output_.subspan(written_bytes_, count);
    written_bytes_ += count;
    return room;
  }

  MutableBytes output_;
  std::size_t written_bytes_ = 0;
  bool has_failed_ = false;
};

}  // namespace qnet::wire
