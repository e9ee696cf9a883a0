// SPDX-License-Identifier: Apache-2.0
//
// net_path.hpp: what does /net/<node>[~policy[:link]]/rest mean? (the only parser of it)
//
// Pure text, no allocation, safe in signal handlers. Only the synthetic root /net is walked here ("." and ".." directly
// below it, repeated slashes); the rest is the owner's business and is handed over as it stands.
// Source: QNX Neutrino 7.1 System Architecture, "Specifying QoS policies" (the spelling after the tilde).
#pragma once

#include <cstddef>
#include <string_view>

#include "transport/base/result.hpp"

namespace qnet {

inline constexpr std::string_view kDefaultPrefix = "/net";
/// Longest node name; it must fit into the name of a handle's socket (107 bytes, wire/handle_name.hpp).
inline constexpr std::size_t kNodeNameBytesMax = 31;
/// Longest "node~policy:link".
inline constexpr std::size_t kTargetBytesMax = 66;

enum class NetPathKind {
  kLocal,  ///< not below the prefix
  kRoot,   ///< the prefix itself: lists the nodes
  kNode,   ///< something on a node
  kAbove,  ///< the path leaves the prefix upwards: "/net/../etc/x" is local "/etc/x"
};

struct NetPath {
  NetPathKind kind = NetPathKind::kLocal;
  std::string_view target;  ///< "b~preferred:en0"; empty unless kNode
  std::string_view rest;    ///< kNode: as written behind the node, begins with '/' or is empty. kAbove: what follows
                            ///< the "..", to be read from "/"
  bool must_be_directory = false;  ///< kRoot: the path ended with '/' or "/."
};

/// Never fails. `path` is absolute; "//net" and "/./net" count as "/net". The views point into `path`.
NetPath parse_net_path(std::string_view path, std::string_view prefix);

/// "b~preferred:en0" in its parts; policy and link are empty where not given.
struct NodeTarget {
  std::string_view node;
  std::string_view policy;
  std::string_view link;
  bool has_policy = false;  ///< a '~' was there, even with nothing behind it
  bool has_link = false;    ///< a ':' was there, even with nothing behind it
};
NodeTarget split_target(std::string_view target);

/// 1 to kNodeNameBytesMax of letters, digits, '-', '_', '.', not beginning with '.' or '-'.
bool is_node_name(std::string_view name);

}  // namespace qnet
