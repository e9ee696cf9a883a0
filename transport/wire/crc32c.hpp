// SPDX-License-Identifier: Apache-2.0
//
// crc32c.hpp: is this what was sent?
//
// CRC-32C (Castagnoli): finds every change of up to 3 bits and every burst of up to 32 in a packet of any size that we
// send, and all but one in 2^32 of the others. No protection against intent.
//
// Source: RFC 3720 appendix B.4 (polynomial, test vectors).
#pragma once

#include <cstdint>

#include "transport/base/bytes.hpp"

namespace qnet::wire {

/// By the processor where it can (SSE4.2), else by tables.
std::uint32_t crc32c(ByteView bytes);
/// The same by tables, whatever the processor can.
std::uint32_t crc32c_by_tables(ByteView bytes);

}  // namespace qnet::wire
