// SPDX-License-Identifier: Apache-2.0
#include "transport/core/link_properties.hpp"

namespace qnet::core {

PathReason reason_of(LinkFault fault) {
  switch (fault) {
    case LinkFault::kNone:
      return PathReason::kNone;
    case LinkFault::kNoAddress:
      return PathReason::kNoAddress;
    case LinkFault::kInterfaceDown:
      return PathReason::kInterfaceDown;
    case LinkFault::kNoCarrier:
      return PathReason::kNoCarrier;
  }
  return PathReason::kNone;
}

std::string_view text_of(LinkFault fault) {
  return fault == LinkFault::kNone ? "well" : text_of(reason_of(fault));
}

}  // namespace qnet::core
