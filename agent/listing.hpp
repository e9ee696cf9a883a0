// SPDX-License-Identifier: Apache-2.0
//
// listing.hpp: how does a list of entries become the body of one reply?
#pragma once

#include "agent/reply.hpp"
#include "transport/base/check.hpp"
#include "transport/wire/codec.hpp"

namespace qnet::agent {

/// One NodeEntry, LinkEntry or EventEntry: fixed fields, names, words of ours, and one text of at most a quarter of it.
inline constexpr std::size_t kEntryBytesMax = 512;
inline constexpr std::size_t kEntryTextBytesMax = kEntryBytesMax / 4;

/// The entries, one behind the other.
template <class Entries>
NodeReply listing(const Entries& entries) {
  NodeReply reply{.body = Buffer(entries.size() * kEntryBytesMax)};
  std::size_t filled = 0;
  for (const auto& entry : entries) {
    const Result<ByteView> encoded = wire::encode(entry, reply.body.bytes().subspan(filled));
    QNET_CHECK(encoded.has_value());
    filled += encoded->size();
  }
  reply.body.truncate(filled);
  return reply;
}

}  // namespace qnet::agent
