// SPDX-License-Identifier: Apache-2.0
//
// request_table.hpp: how does a number find its record, and never an earlier one that used the same place?
//
// A number is <life of the slot> * kSlotsMax + slot. Lives start at random, so numbers of two agents rarely meet in a
// log. No allocation once the table has grown to its working size.
//
// Threads:  the strand.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace qnet::agent {

template <class Record>
class RequestTable {
 public:
  static constexpr std::uint64_t kSlotsMax = 1 << 18;
  /// Numbers stay below this, so that the two bits above can tell tables apart.
  static constexpr std::uint64_t kNumberEnd = std::uint64_t{1} << 62;

  RequestTable() { next_life_ = std::uint64_t{std::random_device()()} << 8 | 1; }

  /// 0: the table is full.
  std::uint64_t insert(Record record) {
    std::size_t slot;
    if (!free_.empty()) {
      slot = free_.back();
      free_.pop_back();
    } else if (slots_.size() < kSlotsMax) {
      slot = slots_.size();
      slots_.emplace_back();
    } else {
      return 0;
    }
    const std::uint64_t number = next_life_++ * kSlotsMax + slot;
    slots_[slot].number = number;
    slots_[slot].record.emplace(std::move(record));
    ++size_;
    return number;
  }

  Record* find(std::uint64_t number) {
    const std::size_t slot = number % kSlotsMax;
    if (number == 0 || slot >= slots_.size() || slots_[slot].number != number) return nullptr;
    return &*slots_[slot].record;
  }

  /// Nothing if there is no such record.
  std::optional<Record> take(std::uint64_t number) {
    Record* found = find(number);
    if (found == nullptr) return std::nullopt;
    std::optional<Record> taken(std::move(*found));
    Slot& slot = slots_[number % kSlotsMax];
    slot.number = 0;
    slot.record.reset();
    free_.push_back(static_cast<std::uint32_t>(number % kSlotsMax));
    --size_;
    return taken;
  }

  template <class Condition>
  std::vector<std::uint64_t> numbers_if(Condition&& condition) const {
    std::vector<std::uint64_t> numbers;
    for (const Slot& slot : slots_) {
      if (slot.number != 0 && condition(*slot.record)) numbers.push_back(slot.number);
    }
    return numbers;
  }

  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t number = 0;  // 0: free
    std::optional<Record> record;
  };

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_life_ = 0;
  std::size_t size_ = 0;
};

}  // namespace qnet::agent
