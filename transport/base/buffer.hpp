// SPDX-License-Identifier: Apache-2.0
//
// buffer.hpp: how does a message travel through the agent without being copied?
//
// A Buffer owns one block of memory: [headroom | contents | spare]. The envelope in front of a message differs between
// the local hop and the network, the body does not (design D4): the envelope is cut off with drop_front() and another
// one laid before the body with grow_front(). Memory is not cleared.
#pragma once

#include <cstring>
#include <memory>
#include <utility>

#include "transport/base/bytes.hpp"
#include "transport/base/check.hpp"

namespace qnet {

class Buffer {
 public:
  /// Room for any envelope: the largest header and the largest caller (wire/message.hpp asserts it).
  static constexpr std::size_t kHeadroomBytes = 512;

  Buffer() = default;
  /// Contents of `size_bytes` undefined bytes, with the headroom in front.
  explicit Buffer(std::size_t size_bytes)
      : memory_(std::make_unique_for_overwrite<std::byte[]>(kHeadroomBytes + size_bytes)),
        capacity_(kHeadroomBytes + size_bytes),
        begin_(kHeadroomBytes),
        size_(size_bytes) {}
  explicit Buffer(ByteView contents) : Buffer(contents.size()) {
    if (!contents.empty()) std::memcpy(data(), contents.data(), contents.size());
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer moved(std::move(other));
    swap(moved);
    return *this;
  }

  std::byte* data() { return memory_.get() + begin_; }
  const std::byte* data() const { return memory_.get() + begin_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  ByteView view() const { return {data(), size_}; }
  MutableBytes bytes() { return {data(), size_}; }

  /// Cuts `count` bytes off the front; they become headroom.
  void drop_front(std::size_t count) {
    QNET_CHECK(count <= size_);
    begin_ += count;
    size_ -= count;
  }
  /// Lays `count` undefined bytes before the contents and returns them.
  MutableBytes grow_front(std::size_t count) {
    QNET_CHECK(count <= begin_);
    begin_ -= count;
    size_ += count;
    return {data(), count};
  }
  /// Keeps the first `size_bytes` bytes.
  void truncate(std::size_t size_bytes) {
    QNET_CHECK(size_bytes <= size_);
    size_ = size_bytes;
  }

 private:
  void swap(Buffer& other) {
    std::swap(memory_, other.memory_);
    std::swap(capacity_, other.capacity_);
    std::swap(begin_, other.begin_);
    std::swap(size_, other.size_);
  }

  std::unique_ptr<std::byte[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

}  // namespace qnet
