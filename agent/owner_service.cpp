// SPDX-License-Identifier: Apache-2.0
#include "agent/owner_service.hpp"

#include "agent/log.hpp"
#include "transport/wire/file_ops.hpp"
#include "transport/wire/opcode.hpp"

namespace qnet::agent {
OwnerService::OwnerService(core::Engine& engine, exec::Executor& executor, CompletionQueue& completions,
                           PeerTable& peers, CallerLimitsConfig limits)
    : engine_(engine), executor_(executor), completions_(completions), peers_(peers), limits_(limits) {}

void OwnerService::on_request(core::MessageArrived message, Instant at) {
  exec::Request request;
  wire::Reader in(message.body.view());
  wire::get_field(in, request.header);
  const bool has_header = !in.has_failed() && request.header.size_bytes == in.rest().size();
  if (!has_header) {
    ++statistics_.malformed;
    return;
  }
  wire::get_field(in, request.caller);
  Serving serving{.peer = message.peer,
                  .life = message.incarnation,
                  .connection = message.connection,
                  .priority = message.priority,
                  .opcode = request.header.opcode,
                  .request = request.header.request};
  if (in.has_failed()) {
    ++statistics_.malformed;
    return reply(serving, failed(EPROTO), at);
  }
  request.client = peers_.client_of(message.peer, message.incarnation);
  const auto opcode = static_cast<wire::Opcode>(request.header.opcode);
  if (opcode == wire::Opcode::kCancel) {
    if (logs_debug()) spdlog::debug("cancel request={}", text_of(serving));
    if (!executor_.cancel(request.client, request.header.request)) {
      withdrawn_.add(request.client, request.header.request);
    }
    return;
  }
  if (withdrawn_.contains(request.client, request.header.request)) return reply(serving, failed(EINTR), at);

  ++statistics_.requests;
  if (wire::where_executed(opcode) == wire::Where::kAgent) return reply(serving, failed(EOPNOTSUPP), at);
  if (logs_debug()) {
    spdlog::debug("serve request={} op={} uid={} pid={} handle={:016x}", text_of(serving), wire::name_of(opcode),
                  request.caller.user, request.caller.process, request.header.handle);
  }
  serving.user = request.caller.user;
  if (!admit(serving, message.body.size(), in.rest())) return reply(serving, failed(EAGAIN), at);
  const std::uint64_t number = serving_.insert(serving);
  if (number == 0) {
    limits_.end(serving.user, serving.held_bytes);
    return reply(serving, failed(EAGAIN), at);
  }

  message.body.drop_front(message.body.size() - in.rest().size());
  request.header.size_bytes = static_cast<std::uint32_t>(message.body.size());
  request.body = std::move(message.body);
  request.priority = message.priority;
  executor_.submit(std::move(request), [this, token = number | kTokenBit](exec::Reply answer) {
    completions_.push(token, std::move(answer));
  });
}

std::string OwnerService::text_of(const Serving& serving) const {
  return request_text(peers_.name_of(NodeRef::peer(serving.peer)), serving.request);
}

Status OwnerService::admit(Serving& serving, std::size_t request_bytes, ByteView body) {
  const auto opcode = static_cast<wire::Opcode>(serving.opcode);
  serving.held_bytes = request_bytes + reply_bytes_of(opcode, body);
  return limits_.begin(serving.user, opcode, serving.held_bytes);
}

void OwnerService::on_completion(std::uint64_t token, exec::Reply answer, Instant at) {
  const std::optional<Serving> serving = serving_.take(token & ~kTokenBit);
  if (!serving) return;
  limits_.end(serving->user, serving->held_bytes);
  if (logs_debug()) spdlog::debug("served request={} errno={}", text_of(*serving), answer.error);
  reply(*serving, to_node_reply(std::move(answer)), at);
}

void OwnerService::reply(const Serving& to, NodeReply reply, Instant at) {
  std::uint64_t opened_handle = 0;
  if (to.opcode == static_cast<std::uint16_t>(wire::Opcode::kOpen) && reply.error == 0) {
    const auto opened = wire::decode<wire::OpenReply>(reply.body.view());
    if (opened) opened_handle = opened->handle;
  }
  const Status sent = engine_.send(to.peer, to.life, to.connection, false, to.priority,
                                   with_header(std::move(reply), to.opcode, to.request), at);
  if (sent) return;
  ++statistics_.replies_undeliverable;
  if (opened_handle != 0) close_again(to, opened_handle);
}

/// Nobody will ever hear of this handle.
void OwnerService::close_again(const Serving& opened_for, std::uint64_t handle) {
  exec::Request close{.client = peers_.client_of(opened_for.peer, opened_for.life)};
  close.header.opcode = static_cast<std::uint16_t>(wire::Opcode::kClose);
  close.header.handle = handle;
  close.body = Buffer(0);
  executor_.submit(std::move(close), [](const exec::Reply&) {});
}

void OwnerService::on_peer_gone(const core::PeerGone& event) {
  const std::optional<exec::ClientId> client = peers_.end_life(event.peer, event.incarnation);
  if (!client) return;
  spdlog::info("peer gone node={} incarnation={}", peers_.name_of(NodeRef::peer(event.peer)), event.incarnation.value);
  executor_.drop_client(*client);
  withdrawn_.drop_client(*client);
}

}  // namespace qnet::agent
