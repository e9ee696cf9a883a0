// SPDX-License-Identifier: Apache-2.0
//
// opcode.hpp: what are the operations called, as numbers and as names?
#pragma once

#include <cstdint>
#include <string_view>

namespace qnet::wire {

enum class Opcode : std::uint16_t {
#define QNET_OPERATION(number, Name, where) k##Name = number,
#include "transport/wire/operations.def"
#undef QNET_OPERATION
};

enum class Where { kOwner, kAgent };

constexpr bool is_known(Opcode opcode) {
  switch (opcode) {
#define QNET_OPERATION(number, Name, where) \
  case Opcode::k##Name:                     \
    return true;
#include "transport/wire/operations.def"
#undef QNET_OPERATION
  }
  return false;
}

/// Who answers it; kOwner for unknown ones, whose owner may be newer than this agent.
constexpr Where where_executed(Opcode opcode) {
  switch (opcode) {
#define QNET_OPERATION(number, Name, where) \
  case Opcode::k##Name:                     \
    return Where::where;
#include "transport/wire/operations.def"
#undef QNET_OPERATION
  }
  return Where::kOwner;
}

constexpr std::string_view name_of(Opcode opcode) {
  switch (opcode) {
#define QNET_OPERATION(number, Name, where) \
  case Opcode::k##Name:                     \
    return #Name;
#include "transport/wire/operations.def"
#undef QNET_OPERATION
  }
  return "unknown";
}

}  // namespace qnet::wire
