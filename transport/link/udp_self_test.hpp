// SPDX-License-Identifier: Apache-2.0
//
// udp_self_test.hpp: do segmentation (UDP_SEGMENT) and coalescing (UDP_GRO) work on this kernel?
//
// Kernels exist that lack them, that refuse them for an interface, and that corrupt the last segment of a batch. Two
// sockets of their own, bound to the link's address, exchange batches whose bytes are compared; the link's own socket
// sees nothing of it. What only a real cable shows is found at run time: UdpLink steps down when a batch is refused.
#pragma once

#include "transport/core/address.hpp"

namespace qnet::link {

struct UdpOffloads {
  bool can_segment = false;   // UDP_SEGMENT on send
  bool can_coalesce = false;  // UDP_GRO on receive
};

/// Takes well below a millisecond where all is well, 200 ms at most.
UdpOffloads probe_udp_offloads(const core::Address& local);

}  // namespace qnet::link
