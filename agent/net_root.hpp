// SPDX-License-Identifier: Apache-2.0
//
// net_root.hpp: what is /net itself?
//
// A read-only directory that exists only here: ".", ".." and one entry per known node. Answers every operation with an
// empty target. A path that goes on below it is redirected to the node; ".." leads to the local directory above the
// prefix.
//
// Threads:  the strand.
// Not here: what lies below /net/<node> (the owner), the descriptors of open handles (local_handles.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/peer_table.hpp"
#include "agent/reply.hpp"
#include "transport/wire/attributes.hpp"
#include "transport/wire/message.hpp"
#include "transport/wire/opcode.hpp"

namespace qnet::agent {

class NetRoot {
 public:
  /// As many as there can be local handles; the table there is the bound.
  NetRoot(const PeerTable& nodes, std::string prefix);

  NodeReply answer(const wire::RequestHeader& header, ByteView body);
  /// The last descriptor of an open root is gone.
  void close(HandleId handle) { open_.erase(handle.value); }

  /// What a request for a node that does not exist gets: ENOENT, or EROFS if it would have created it.
  static int error_for_missing(wire::Opcode opcode, ByteView body);
  /// Would the request remove or rename the entry of a node in /net?
  static bool changes_entry(wire::Opcode opcode, const wire::RequestHeader& header, ByteView body);

 private:
  struct OpenRoot {
    std::int64_t position = 0;
    std::uint32_t flags = 0;
  };

  /// The path of a request from the root on: nothing if it is the root itself, else the reply (redirect or error).
  std::optional<NodeReply> lead_away(std::string_view path, std::uint8_t which) const;
  NodeReply answer_at_root(wire::Opcode opcode, OpenRoot* opened, ByteView body);
  NodeReply answer_open(ByteView body);
  NodeReply read_directory(OpenRoot& opened, ByteView body) const;
  NodeReply seek(OpenRoot& opened, ByteView body) const;
  NodeReply file_system() const;
  NodeReply path_limit(ByteView body) const;
  wire::Attributes attributes() const;

  const PeerTable& nodes_;
  const std::string prefix_;
  const std::int64_t started_s_;
  std::unordered_map<std::uint64_t, OpenRoot> open_;
};

}  // namespace qnet::agent
