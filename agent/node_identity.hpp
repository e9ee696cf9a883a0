// SPDX-License-Identifier: Apache-2.0
//
// node_identity.hpp: who is this node, and which of its lives is this?
//
// <state directory>/node holds the 128-bit id, created once, and the incarnation of the latest life. A new life has a
// greater incarnation than every earlier one, also when the file was lost (it is at least the time in microseconds),
// and is on disk before anybody hears of it: a peer that sees it again must be sure that what was open is gone.
//
// Threads:  the main one, at start.
#pragma once

#include <string>

#include "transport/base/ids.hpp"
#include "transport/base/result.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::agent {

struct NodeIdentity {
  NodeId id;
  Incarnation incarnation;
  UniqueFd lock;  ///< held while this life lasts
};

/// Begins a life. Creates the directory if it is missing. Errors: EBUSY another agent uses it; EBADMSG the file is not
/// one of ours (it is left alone); else what the system calls say.
Result<NodeIdentity> begin_life(const std::string& state_directory);

std::string text_of(const NodeId& id);

}  // namespace qnet::agent
