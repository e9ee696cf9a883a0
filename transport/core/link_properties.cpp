// SPDX-License-Identifier: Apache-2.0
#include "transport/core/link_properties.hpp"

namespace qnet::core {

std::string_view text_of(LinkFault fault) {
  switch (fault) {
    case LinkFault::kNone:
      return "well";
    case LinkFault::kNoAddress:
      return "no such address here";
    case LinkFault::kInterfaceDown:
      return "interface is off";
    case LinkFault::kNoCarrier:
      return "no carrier";
  }
  return "unknown";
}

}  // namespace qnet::core
