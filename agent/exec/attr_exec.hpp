// SPDX-License-Identifier: Apache-2.0
//
// attr_exec.hpp: what does the owner say about a file, and change about it?
#pragma once

#include "agent/exec/operation.hpp"

namespace qnet::exec {

Result<wire::GetAttributesReply> execute(op::GetAttributes, Call& call, const wire::GetAttributesRequest& request);
Result<wire::CheckAccessReply> execute(op::CheckAccess, Call& call, const wire::CheckAccessRequest& request);
Result<Buffer> execute(op::ReadLink, Call& call, const wire::ReadLinkRequest& request);
Result<Buffer> execute(op::ResolvePath, Call& call, const wire::ResolvePathRequest& request);
Result<wire::ChangeModeReply> execute(op::ChangeMode, Call& call, const wire::ChangeModeRequest& request);
Result<wire::ChangeOwnerReply> execute(op::ChangeOwner, Call& call, const wire::ChangeOwnerRequest& request);
Result<wire::ChangeTimesReply> execute(op::ChangeTimes, Call& call, const wire::ChangeTimesRequest& request);
Result<wire::TruncateReply> execute(op::Truncate, Call& call, const wire::TruncateRequest& request);
Result<wire::GetFileSystemReply> execute(op::GetFileSystem, Call& call, const wire::GetFileSystemRequest& request);
Result<wire::GetPathLimitReply> execute(op::GetPathLimit, Call& call, const wire::GetPathLimitRequest& request);

}  // namespace qnet::exec
