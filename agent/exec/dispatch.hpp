// SPDX-License-Identifier: Apache-2.0
//
// dispatch.hpp: which code belongs to an opcode, and as whom does it run? (derived from operations.def)
#pragma once

#include <optional>

#include "agent/exec/context.hpp"
#include "transport/wire/opcode.hpp"

namespace qnet::exec {

/// Most act as the caller, also on something open: who writes decides about set-user-id bits and reserved blocks.
Need need_of(wire::Opcode opcode);

/// Runs the job on this thread. Nothing: it is parked and no longer ours.
std::optional<Reply> run(Context& context, const JobPointer& job);

}  // namespace qnet::exec
