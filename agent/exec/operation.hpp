// SPDX-License-Identifier: Apache-2.0
//
// operation.hpp: which types belong to a row of operations.def?
//
// For each operation that is executed by the owner there is a tag op::<Name>; the code of the operation is a function
//   Result<…> execute(op::<Name>, Call&, const wire::<Name>Request&)
// in one of the *_exec.hpp files. It returns the reply, or the reply's encoded body where that is large. An Error is an
// errno, or kRedirected or kParked (job.hpp). Runs on the thread that has the identity of need_of().
#pragma once

#include "agent/exec/context.hpp"
#include "transport/wire/attr_ops.hpp"
#include "transport/wire/dir_ops.hpp"
#include "transport/wire/file_ops.hpp"
#include "transport/wire/opcode.hpp"
#include "transport/wire/xattr_ops.hpp"

#define QNET_EXEC_ROW_kOwner(Name)       \
  struct Name {                          \
    using Request = wire::Name##Request; \
    using Reply = wire::Name##Reply;     \
  };
#define QNET_EXEC_ROW_kAgent(Name)
#define QNET_OPERATION(number, Name, where) QNET_EXEC_ROW_##where(Name)

namespace qnet::exec::op {
#include "transport/wire/operations.def"
}  // namespace qnet::exec::op

#undef QNET_OPERATION
#undef QNET_EXEC_ROW_kAgent
#undef QNET_EXEC_ROW_kOwner
