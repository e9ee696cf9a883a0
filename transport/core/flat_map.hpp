// SPDX-License-Identifier: Apache-2.0
//
// flat_map.hpp: which object has this number? One probe of flat memory per packet.
//
// Keys are non-zero; values are movable and cheap to move (a unique_ptr). Linear probing, at most half full; erasing
// moves followers up, so there are no tombstones.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "transport/base/check.hpp"

namespace qnet::core {

template <class Value>
class FlatMap {
 public:
  std::size_t size() const { return size_; }

  Value* find(std::uint32_t key) {
    if (slots_.empty()) return nullptr;
    for (std::size_t i = home(key);; i = next(i)) {
      if (slots_[i].key == key) return &slots_[i].value;
      if (slots_[i].key == 0) return nullptr;
    }
  }

  /// `key` is not in the map yet.
  Value& insert(std::uint32_t key, Value value) {
    QNET_CHECK(key != 0);
    if (2 * (size_ + 1) > slots_.size()) grow();
    ++size_;
    return place(key, std::move(value));
  }

  void erase(std::uint32_t key) {
    if (slots_.empty()) return;
    std::size_t hole = home(key);
    while (slots_[hole].key != key) {
      if (slots_[hole].key == 0) return;
      hole = next(hole);
    }
    slots_[hole] = Slot{};
    --size_;
    for (std::size_t i = next(hole); slots_[i].key != 0; i = next(i)) {
      // An element may fill the hole unless its home lies behind the hole.
      if (distance(home(slots_[i].key), i) < distance(hole, i)) continue;
      slots_[hole] = std::exchange(slots_[i], Slot{});
      hole = i;
    }
  }

  template <class Function>
  void for_each(Function&& function) {
    for (Slot& slot : slots_) {
      if (slot.key != 0) function(slot.value);
    }
  }

 private:
  static constexpr std::size_t kSlotsAtFirst = 16;
  struct Slot {
    std::uint32_t key = 0;
    Value value{};
  };

  std::size_t home(std::uint32_t key) const {
    return static_cast<std::size_t>(key * 0x9e3779b1u) & (slots_.size() - 1);  // Fibonacci hashing
  }
  std::size_t next(std::size_t i) const { return (i + 1) & (slots_.size() - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const { return (to - from) & (slots_.size() - 1); }

  Value& place(std::uint32_t key, Value value) {
    std::size_t i = home(key);
    while (slots_[i].key != 0) {
      QNET_CHECK(slots_[i].key != key);
      i = next(i);
    }
    slots_[i].key = key;
    slots_[i].value = std::move(value);
    return slots_[i].value;
  }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? kSlotsAtFirst : 2 * slots_.size());
    std::swap(old, slots_);
    for (Slot& slot : old) {
      if (slot.key != 0) place(slot.key, std::move(slot.value));
    }
  }

  std::vector<Slot> slots_;  // size: 0 or a power of two
  std::size_t size_ = 0;
};

}  // namespace qnet::core
