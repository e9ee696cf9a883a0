// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/dispatch.hpp"

#include "agent/exec/attr_exec.hpp"
#include "agent/exec/dir_exec.hpp"
#include "agent/exec/file_exec.hpp"
#include "agent/exec/io_exec.hpp"
#include "agent/exec/lock_exec.hpp"
#include "agent/exec/reply.hpp"
#include "agent/exec/xattr_exec.hpp"
#include "transport/wire/codec.hpp"

namespace qnet::exec {
namespace {

template <class Operation>
std::optional<Reply> run_one(Call& call) {
  const auto request = wire::decode<typename Operation::Request>(call.job->request.body.view());
  if (!request) return Reply{.error = request.error().code, .body = {}};
  auto result = execute(Operation{}, call, *request);
  if (result) return Reply{.error = 0, .body = to_body(std::move(*result))};
  const int code = result.error().code;
  if (code == kParked) return std::nullopt;
  if (code == kRedirected) return Reply{.error = kRedirected, .body = std::move(call.redirect)};
  // This process ran out of descriptors, not the user.
  const bool is_own_lack = code == EMFILE && !call.is_over_users_limit;
  return Reply{.error = is_own_lack ? ENFILE : code, .body = {}, .is_handle_gone = call.is_handle_gone};
}

}  // namespace

Need need_of(wire::Opcode opcode) {
  switch (opcode) {
    case wire::Opcode::kClose:
    case wire::Opcode::kSeek:
    case wire::Opcode::kSync:
    case wire::Opcode::kAdvise:
    case wire::Opcode::kLockWhole:
    case wire::Opcode::kReleaseLocks:
    case wire::Opcode::kGetFlags:
    case wire::Opcode::kPoll:
      return Need::kNothing;
    case wire::Opcode::kLockRange:
      return Need::kAgent;  // Opens the file anew, whatever its mode is by now.
    default:
      return Need::kCaller;
  }
}

std::optional<Reply> run(Context& context, const JobPointer& job) {
  Call call{.context = context, .job = job};
  switch (job->opcode()) {
#define QNET_EXEC_ROW_kOwner(Name) \
  case wire::Opcode::k##Name:      \
    return run_one<op::Name>(call);
#define QNET_EXEC_ROW_kAgent(Name) \
  case wire::Opcode::k##Name:      \
    break;
#define QNET_OPERATION(number, Name, where) QNET_EXEC_ROW_##where(Name)
#include "transport/wire/operations.def"
#undef QNET_OPERATION
#undef QNET_EXEC_ROW_kAgent
#undef QNET_EXEC_ROW_kOwner
  }
  return Reply{.error = EOPNOTSUPP, .body = {}};  // A newer peer. Tell it; do not abort.
}

}  // namespace qnet::exec
