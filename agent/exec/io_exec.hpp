// SPDX-License-Identifier: Apache-2.0
//
// io_exec.hpp: how do bytes get out of and into something open, and who waits for them?
//
// Regular files are read and written by the worker. FIFOs and character devices are tried at once; what finds nothing
// is parked, and run again when the descriptor is ready.
#pragma once

#include "agent/exec/operation.hpp"

namespace qnet::exec {

Result<Buffer> execute(op::Read, Call& call, const wire::ReadRequest& request);
Result<wire::WriteReply> execute(op::Write, Call& call, const wire::WriteRequest& request);
Result<wire::PollReply> execute(op::Poll, Call& call, const wire::PollRequest& request);

/// How a job that waited is answered when it is cancelled: what a Write has written so far counts.
Reply interrupted_reply(const Job& job);

/// Answers without any thread what certainly does not wait: short reads of what is in the cache, positions. Returns
/// false, and nothing has happened, where that cannot be known.
bool answer_at_once(Context& context, const ClientLife& client, const Request& request, Reply& reply);

}  // namespace qnet::exec
