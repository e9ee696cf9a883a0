// SPDX-License-Identifier: Apache-2.0
//
// choices.hpp: how does a string of bytes become a course of events? Each choice takes some; at the end all are zero.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "transport/base/bytes.hpp"

namespace qnet::fuzz {

class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const std::byte*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  template <class Integer>
  Integer number() {
    Integer value = 0;
    const ByteView raw = bytes(sizeof value);
    std::memcpy(&value, raw.data(), raw.size());
    return value;
  }
  std::uint8_t byte() { return number<std::uint8_t>(); }
  /// At most so many.
  ByteView bytes(std::size_t count) {
    const ByteView taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  ByteView rest_;
};

}  // namespace qnet::fuzz
