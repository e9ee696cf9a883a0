// SPDX-License-Identifier: Apache-2.0
//
// xattr_exec.hpp: what does the owner do with extended attributes?
#pragma once

#include "agent/exec/operation.hpp"

namespace qnet::exec {

Result<Buffer> execute(op::GetXattr, Call& call, const wire::GetXattrRequest& request);
Result<Buffer> execute(op::ListXattr, Call& call, const wire::ListXattrRequest& request);
Result<wire::SetXattrReply> execute(op::SetXattr, Call& call, const wire::SetXattrRequest& request);
Result<wire::RemoveXattrReply> execute(op::RemoveXattr, Call& call, const wire::RemoveXattrRequest& request);

}  // namespace qnet::exec
