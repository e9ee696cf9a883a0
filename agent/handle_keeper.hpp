// SPDX-License-Identifier: Apache-2.0
//
// handle_keeper.hpp: what happens when bytes arrive at a handle, or when nobody holds it any more? (design D1, D2)
//
// Bytes are a write by code that libqnet.so does not see (a static program): they go to the owner as a Write at the
// current offset, one at a time per handle. The end of file is the last close: after the last such Write the owner
// gets Close. Who acts next sees the effect (barriers.hpp): requests wait for stray writes into files, and for the
// Close of a handle that has held locks. Streams are not waited for: their Write may block until somebody reads.
//
// Threads:  the strand.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "agent/barriers.hpp"
#include "agent/local_handles.hpp"
#include "agent/net_root.hpp"
#include "agent/node_calls.hpp"

namespace qnet::agent {

class HandleKeeper final : public HandleEvents {
 public:
  /// Taken from a handle at once; what is more stays in the socket, which makes the writer wait.
  static constexpr std::size_t kStrayBytesMax = 256 << 10;

  struct Statistics {
    std::uint64_t stray_writes = 0, stray_bytes = 0, stray_bytes_lost = 0, closes = 0;
  };

  /// `on_lowered` is called whenever a barrier falls.
  HandleKeeper(LocalHandles& handles, NodeCalls& calls, NetRoot& net_root, Barriers& barriers,
               std::function<void()> on_lowered);

  void on_handle_ready(LocalHandle& handle) override;

  const Statistics& statistics() const { return statistics_; }

 private:
  /// Takes what has arrived. `barrier`: the one that the bytes just before have raised, or 0.
  void take(LocalHandle& handle, std::uint64_t barrier);
  void forward(LocalHandle& handle, Buffer bytes, std::uint64_t barrier);
  void close(LocalHandle& handle);
  void lower(std::uint64_t barrier);

  LocalHandles& handles_;
  NodeCalls& calls_;
  NetRoot& net_root_;
  Barriers& barriers_;
  std::function<void()> on_lowered_;
  std::vector<std::byte> scratch_ = std::vector<std::byte>(kStrayBytesMax);
  Statistics statistics_;
};

}  // namespace qnet::agent
