// SPDX-License-Identifier: Apache-2.0
//
// errno_wire.hpp: which number does an error have on the wire, whatever the host's errno values are?
#pragma once

#include <cstdint>

namespace qnet::wire {

/// Not an errno: the path leads elsewhere in /net; the body is a RedirectReply and the client starts again there.
inline constexpr std::uint16_t kErrorRedirect = 1000;
/// Not an errno: this connection has not shown that it holds the descriptor; send AdoptHandle with it, then ask again.
inline constexpr std::uint16_t kErrorProveHandle = 1001;

/// ESTALE, and nothing was done: the handle is not known any more. ESTALE itself is what the owner's system said, or
/// that the peer was restarted while it was at it.
inline constexpr std::uint16_t kErrorHandleGone = 1002;

/// 0 for 0. An errno that has no wire number travels as EIO.
std::uint16_t errno_to_wire(int error);
/// EIO for a number that this version does not know; kErrorRedirect and kErrorProveHandle are not errnos: EIO.
int errno_from_wire(std::uint16_t number);

}  // namespace qnet::wire
