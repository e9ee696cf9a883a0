// SPDX-License-Identifier: Apache-2.0
//
// dir_exec.hpp: what does the owner do with names in directories?
#pragma once

#include "agent/exec/operation.hpp"

namespace qnet::exec {

Result<Buffer> execute(op::ReadDirectory, Call& call, const wire::ReadDirectoryRequest& request);
Result<wire::MakeDirectoryReply> execute(op::MakeDirectory, Call& call, const wire::MakeDirectoryRequest& request);
Result<wire::MakeNodeReply> execute(op::MakeNode, Call& call, const wire::MakeNodeRequest& request);
Result<wire::MakeSymlinkReply> execute(op::MakeSymlink, Call& call, const wire::MakeSymlinkRequest& request);
Result<wire::LinkReply> execute(op::Link, Call& call, const wire::LinkRequest& request);
Result<wire::UnlinkReply> execute(op::Unlink, Call& call, const wire::UnlinkRequest& request);
Result<wire::RenameReply> execute(op::Rename, Call& call, const wire::RenameRequest& request);

}  // namespace qnet::exec
