// SPDX-License-Identifier: Apache-2.0
//
// link_properties.hpp: what is known of a link of this node, from its configuration and from the machine?
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "transport/core/path_state.hpp"

namespace qnet::core {

/// What the machine itself knows to be wrong with one of our links.
enum class LinkFault : std::uint8_t {
  kNone,
  kNoAddress,      ///< the link's address is on no interface
  kInterfaceDown,  ///< switched off
  kNoCarrier,      ///< cable out, or nobody at its other end
};
std::string_view text_of(LinkFault fault);
/// Why the paths of such a link are down.
PathReason reason_of(LinkFault fault);

struct LinkProperties {
  std::string name;                       // "en0"
  std::size_t datagram_bytes_max = 1200;  // payload of one datagram
  bool can_batch = false;                 // several segments per Transmit are welcome (UDP GSO)
  LinkFault fault = LinkFault::kNone;
  /// Every packet carries a CRC and is taken only with one. To set it at one end of a link is enough: who has been
  /// greeted with a CRC does the same on that path.
  bool has_crc = false;
  bool is_size_fixed = false;  // datagram_bytes_max is not to be doubted
};

/// What the machine says of a link at the moment.
struct LinkCondition {
  LinkFault fault = LinkFault::kNone;
  std::size_t datagram_bytes_max = 1200;
  friend bool operator==(const LinkCondition&, const LinkCondition&) = default;
};

}  // namespace qnet::core
