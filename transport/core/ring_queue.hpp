// SPDX-License-Identifier: Apache-2.0
//
// ring_queue.hpp: how do we queue without an allocation per element?
//
// First in, first out, with an index. Grows by doubling and keeps its memory until trim(). The bound is the user's, who
// names it.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "transport/base/check.hpp"

namespace qnet::core {

template <class T>
class RingQueue {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t index) { return slots_[(head_ + index) & (slots_.size() - 1)]; }
  const T& operator[](std::size_t index) const { return slots_[(head_ + index) & (slots_.size() - 1)]; }
  T& front() { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }

  T& push_back(T value) {
    if (size_ == slots_.size()) grow();
    ++size_;
    back() = std::move(value);
    return back();
  }
  T pop_front() {
    QNET_CHECK(size_ > 0);
    T value = std::exchange(front(), T{});
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
    return value;
  }
  void pop_back() {
    QNET_CHECK(size_ > 0);
    back() = T{};
    --size_;
  }
  void clear() {
    while (size_ > 0) pop_back();
  }
  /// Gives back what a burst has taken, once nothing is left of it.
  void trim() {
    if (size_ == 0 && slots_.size() > kSlotsKept) slots_ = std::vector<T>();
  }

 private:
  static constexpr std::size_t kSlotsAtFirst = 4;
  static constexpr std::size_t kSlotsKept = 16;

  void grow() {
    std::vector<T> larger(slots_.empty() ? kSlotsAtFirst : 2 * slots_.size());
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    slots_ = std::move(larger);
    head_ = 0;
  }

  std::vector<T> slots_;  // size: 0 or a power of two
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace qnet::core
