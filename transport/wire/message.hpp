// SPDX-License-Identifier: Apache-2.0
//
// message.hpp: what stands before the body of a request and of a reply?
//
//   local hop, request    RequestHeader | Text target       | body        over the unix stream, u32 size first
//   network, request      RequestHeader | Caller            | body        one transport message
//   reply, both hops      ReplyHeader                       | body        with SCM_RIGHTS where said
//
// The body is the encoded wire::<Name>Request or <Name>Reply and is never re-encoded on the way (design D4). A reply
// whose error is not 0 has no body, except kErrnoRedirect (RedirectReply) and failed locks.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>

#include "transport/base/buffer.hpp"
#include "transport/base/ids.hpp"
#include "transport/base/net_path.hpp"
#include "transport/wire/codec.hpp"
#include "transport/wire/opcode.hpp"

namespace qnet::wire {

/// Most bytes of data in one Read, Write or ReadDirectory; longer calls are cut by the client.
inline constexpr std::size_t kDataBytesMax = 1 << 20;
/// What both ends of the local socket ask for as send buffer: a read or write goes in at once where the kernel allows
/// it. With its default of 208 KiB program and agent wake each other four times for the 512 KiB that cp writes.
inline constexpr int kLocalSendBufferBytes = kDataBytesMax;
/// Longest path text, as PATH_MAX with the NUL.
inline constexpr std::size_t kPathBytesMax = 4095;
/// Longest whole message: data, or two paths, and the envelope.
inline constexpr std::size_t kMessageBytesMax = kDataBytesMax + (64 << 10);

/// In front of every request. `size_bytes` counts everything behind itself (target or caller, and body).
struct RequestHeader {
  static constexpr std::size_t kBytes = 32;

  std::uint32_t size_bytes = 0;
  std::uint16_t opcode = 0;
  std::uint16_t reserved = 0;       // 0
  std::uint64_t request = 0;        // RequestId; local hop: chosen by the client, unique on its connection
  std::uint64_t handle = 0;         // the object itself, or the directory that the path is relative to; 0: none
  std::uint64_t second_handle = 0;  // Rename, Link: directory of the second path

  auto fields() { return std::tie(size_bytes, opcode, reserved, request, handle, second_handle); }
  auto fields() const { return std::tie(size_bytes, opcode, reserved, request, handle, second_handle); }
};

struct ReplyHeader {
  static constexpr std::size_t kBytes = 16;

  std::uint32_t size_bytes = 0;  // of what follows the header
  std::uint16_t opcode = 0;
  std::uint16_t error = 0;  // wire number (errno_wire.hpp); 0: done
  std::uint64_t request = 0;

  auto fields() { return std::tie(size_bytes, opcode, error, request); }
  auto fields() const { return std::tie(size_bytes, opcode, error, request); }
};

/// In whose name a request runs. Built by the caller's agent from what the kernel proved (SO_PEERCRED, SO_PEERGROUPS).
struct Caller {
  static constexpr std::size_t kGroupsMax = 64;  // more are cut off, with a line in the log

  std::uint32_t user = 0;  // effective = real: what the connection proved
  std::uint32_t group = 0;
  std::uint32_t process = 0;  // pid on the caller's node
  std::uint32_t group_count = 0;
  std::array<std::uint32_t, kGroupsMax> groups{};

  friend bool operator==(const Caller&, const Caller&) = default;
};

inline void get_field(Reader& in, Caller& caller) {
  in.get(caller.user);
  in.get(caller.group);
  in.get(caller.process);
  in.get(caller.group_count);
  if (caller.group_count > Caller::kGroupsMax) {
    static_cast<void>(in.take(SIZE_MAX));  // Out of range: the reader fails.
    caller.group_count = 0;
  }
  for (std::uint32_t i = 0; i < caller.group_count; ++i) in.get(caller.groups[i]);
}

inline void put_field(Writer& out, const Caller& caller) {
  out.put(caller.user);
  out.put(caller.group);
  out.put(caller.process);
  out.put(caller.group_count);
  for (std::uint32_t i = 0; i < caller.group_count; ++i) out.put(caller.groups[i]);
}

static_assert(RequestHeader::kBytes + 16 + 4 * Caller::kGroupsMax + kTargetBytesMax <= Buffer::kHeadroomBytes);

}  // namespace qnet::wire
