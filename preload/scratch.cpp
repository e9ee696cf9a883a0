// SPDX-License-Identifier: Apache-2.0
#include "preload/scratch.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>

#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {
namespace {

/// More threads than this in remote path calls at once pay for a mmap().
constexpr std::size_t kBlocks = 16;

struct alignas(64) Memory {
  std::array<std::byte, ScratchBlock::kBytes> bytes;
};
constinit std::array<Memory, kBlocks> blocks{};
constinit std::array<std::atomic<bool>, kBlocks> is_taken{};

}  // namespace

ScratchBlock::ScratchBlock() {
  for (std::size_t i = 0; i < kBlocks; ++i) {
    if (is_taken[i].load(std::memory_order_relaxed) || is_taken[i].exchange(true, std::memory_order_acquire)) continue;
    number_ = static_cast<int>(i);
    memory_ = &blocks[i];
    return;
  }
  const long memory =
      raw_syscall(SYS_mmap, nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!is_raw_error(memory)) memory_ = reinterpret_cast<void*>(memory);
}

ScratchBlock::~ScratchBlock() {
  if (number_ >= 0) is_taken[static_cast<std::size_t>(number_)].store(false, std::memory_order_release);
  else if (memory_ != nullptr) raw_syscall(SYS_munmap, memory_, kBytes);
}

}  // namespace qnet::preload
