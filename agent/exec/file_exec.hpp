// SPDX-License-Identifier: Apache-2.0
//
// file_exec.hpp: what does the owner do with something open, apart from moving its bytes?
#pragma once

#include "agent/exec/operation.hpp"

namespace qnet::exec {

Result<wire::OpenReply> execute(op::Open, Call& call, const wire::OpenRequest& request);
Result<wire::CloseReply> execute(op::Close, Call& call, const wire::CloseRequest& request);
Result<wire::SeekReply> execute(op::Seek, Call& call, const wire::SeekRequest& request);
Result<wire::SyncReply> execute(op::Sync, Call& call, const wire::SyncRequest& request);
Result<wire::AllocateReply> execute(op::Allocate, Call& call, const wire::AllocateRequest& request);
Result<wire::AdviseReply> execute(op::Advise, Call& call, const wire::AdviseRequest& request);
Result<wire::GetFlagsReply> execute(op::GetFlags, Call& call, const wire::GetFlagsRequest& request);
Result<wire::SetFlagsReply> execute(op::SetFlags, Call& call, const wire::SetFlagsRequest& request);

/// The application's flags, whatever ours are.
Result<std::uint32_t> application_flags(const OpenFile& file);

}  // namespace qnet::exec
