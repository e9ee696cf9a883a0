// SPDX-License-Identifier: Apache-2.0
//
// scratch.hpp: where do paths and messages live while a call is under way?
//
// Not on the program's stack: threads may have 16 KiB, signal handlers 8, and some ten of them are needed. A few blocks
// lie in zeroed memory that costs nothing until it is used; when all of them are taken, the kernel gives another one.
// A thread that is cancelled in the middle keeps its block.
// Threads:  any; signal-safe.
#pragma once

#include <cstddef>
#include <new>

namespace qnet::preload {

class ScratchBlock {
 public:
  static constexpr std::size_t kBytes = 40 << 10;

  ScratchBlock();
  ~ScratchBlock();
  ScratchBlock(const ScratchBlock&) = delete;
  ScratchBlock& operator=(const ScratchBlock&) = delete;

 protected:
  void* memory_ = nullptr;  ///< null: no memory at all

 private:
  int number_ = -1;  // -1: from the kernel
};

/// A T in a block; T's members are initialised as on the stack. Check before use: there may be no memory (ENOMEM).
template <class T>
class Scratch : private ScratchBlock {
 public:
  static_assert(sizeof(T) <= kBytes);

  Scratch() : object_(memory_ == nullptr ? nullptr : new (memory_) T) {}

  explicit operator bool() const { return object_ != nullptr; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }

 private:
  T* const object_;
};

}  // namespace qnet::preload
