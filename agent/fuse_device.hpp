// SPDX-License-Identifier: Apache-2.0
//
// fuse_device.hpp: how do the kernel's requests about kernel descriptors reach the strand, and answers the kernel?
//
// A FUSE mount that was never attached anywhere: it is in no mount table, no path leads to it, it goes with the agent.
// Its files exist only as descriptors that open() has made. A thread reads /dev/fuse and does nothing that can wait:
// it answers what needs no owner (the agent's own lookups, opens and closes), so that the strand may open and close
// such descriptors itself, and passes everything else on through the CompletionQueue.
//
//   kernel ──request──► thread ──completion (kToken)──► strand ──reply()──► kernel
//
// Threads:  open() and reply() on the strand; the reading on a thread of its own.
// Not here: what a request means (kernel_files.hpp).
#pragma once

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include "agent/completion_queue.hpp"
#include "agent/fuse_watchdog.hpp"
#include "agent/request_table.hpp"

namespace qnet::agent {

class FuseDevice {
 public:
  /// Completions with this token are requests: the fuse_in_header and what follows it.
  static constexpr std::uint64_t kToken = 3 * RequestTable<int>::kNumberEnd;
  /// Data of one READ or WRITE; the kernel cuts longer calls.
  static constexpr std::size_t kDataBytesMax = 1 << 20;

  /// Errors: ENOENT, EACCES: no /dev/fuse; EPERM, ENOSYS: this agent may not mount, this kernel cannot.
  /// `patience`: the agent may be stopped for that long before somebody else answers (fuse_watchdog.hpp).
  static Result<std::unique_ptr<FuseDevice>> mount(CompletionQueue& completions, Duration patience);
  ~FuseDevice();

  struct File {
    std::uint64_t node = 0;  // FUSE_ROOT_ID + 1 or more; opens of one node share its cached pages
    std::uint64_t file = 0;  // fuse_open_out::fh, in every later request
    std::uint32_t open_flags = 0;
    fuse_attr attributes{};
  };
  /// A descriptor of a file, new to the kernel. `flags` as for open(2). Errors: EMFILE, what open(2) says.
  Result<UniqueFd> open(const File& file, int flags);

  /// Answers a request, with `error` (an errno, 0: done) and what follows the header.
  /// False: the request was given up meanwhile.
  bool reply(std::uint64_t unique, int error, ByteView body = {});

  /// There is one file more (1) or less (-1).
  void count_file(int change) { watchdog_.count_file(change); }

 private:
  FuseDevice(CompletionQueue& completions, UniqueFd device, UniqueFd root, FuseWatchdog watchdog);

  void run();
  void take(ByteView request);
  /// True if the request needs no owner and has been answered.
  bool answer_here(const fuse_in_header& header, ByteView arguments);
  void answer_init(const fuse_in_header& header, ByteView arguments);
  File opening();

  CompletionQueue& completions_;
  const UniqueFd device_, root_, stop_;
  const std::uint32_t strand_;  // its thread id
  FuseWatchdog watchdog_;
  std::mutex mutex_;
  File opening_;  // what open() is about
  std::jthread thread_;
};

template <class Message>
ByteView fuse_bytes(const Message& message) {
  return as_bytes(&message, sizeof message);
}

/// The arguments of a request; zeros behind a short one.
template <class Arguments>
Arguments fuse_arguments(ByteView bytes) {
  Arguments arguments{};
  std::memcpy(&arguments, bytes.data(), std::min(bytes.size(), sizeof arguments));
  return arguments;
}

}  // namespace qnet::agent
