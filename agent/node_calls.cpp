// SPDX-License-Identifier: Apache-2.0
#include "agent/node_calls.hpp"

#include <algorithm>

#include "agent/log.hpp"
#include "transport/wire/file_ops.hpp"

namespace qnet::agent {
namespace {

std::uint32_t caller_bytes(const wire::Caller& caller) {
  return 16 + 4 * caller.group_count;
}

/// RequestHeader | Caller in front of the body.
Buffer with_envelope(wire::RequestHeader header, const wire::Caller& caller, Buffer body) {
  header.size_bytes = static_cast<std::uint32_t>(caller_bytes(caller) + body.size());
  wire::Writer out(body.grow_front(wire::RequestHeader::kBytes + caller_bytes(caller)));
  wire::put_field(out, header);
  wire::put_field(out, caller);
  QNET_CHECK(!out.has_failed());
  return body;
}

}  // namespace

NodeCalls::NodeCalls(core::Engine& engine, exec::Executor& executor, CompletionQueue& completions, PeerTable& peers)
    : engine_(engine), executor_(executor), completions_(completions), peers_(peers) {}

Result<Incarnation> NodeCalls::life_of(NodeRef node, Incarnation wanted) const {
  if (node.is_self()) return peers_.own_incarnation();
  if (!engine_.is_up(node.peer_id())) return fail(EHOSTDOWN, "peer is down");
  const Incarnation present = engine_.incarnation_of(node.peer_id());
  if (!wanted.is_none() && wanted != present) return fail(ESTALE, "handle of an earlier life");
  return present;
}

Result<RequestId> NodeCalls::start(Call call, Instant at) {
  Pending pending{.node = call.node,
                  .life = call.life,
                  .opcode = call.header.opcode,
                  .process = call.caller->process,
                  .on_reply = std::move(call.on_reply)};
  if (call.node.is_peer()) {
    if (call.connection) {
      pending.connection = *call.connection;
    } else {
      const Result<ConnectionId> connection = own_connection(call.node.peer_id(), call.life, at);
      if (!connection) return fail(connection.error());
      pending.connection = *connection;
    }
  }

  const RequestId request{calls_.insert(std::move(pending))};
  if (request.is_none()) return fail(EAGAIN, "too many calls");
  call.header.request = request.value;
  call.header.reserved = 0;
  if (logs_debug()) {
    spdlog::debug("request={} op={} node={} uid={} pid={} handle={:016x}{}{}", text_of(request),
                  wire::name_of(static_cast<wire::Opcode>(call.header.opcode)), peers_.name_of(call.node),
                  call.caller->user, call.caller->process, call.header.handle,
                  call.reason.empty() ? "" : " reason=", call.reason);
  }
  const Status sent = send(request, *calls_.find(request.value), call, at);
  if (!sent) {
    calls_.take(request.value);
    return fail(sent.error());
  }
  ++statistics_.started;
  return request;
}

Status NodeCalls::send(RequestId request, const Pending& pending, Call& call, Instant at) {
  if (pending.node.is_peer()) {
    return engine_.send(pending.node.peer_id(), pending.life, pending.connection, true, call.priority,
                        with_envelope(call.header, *call.caller, std::move(call.body)), at);
  }
  call.header.size_bytes = static_cast<std::uint32_t>(call.body.size());
  executor_.submit({.client = PeerTable::kOwnClient,
                    .header = call.header,
                    .caller = *call.caller,
                    .body = std::move(call.body),
                    .priority = call.priority},
                   [this, token = request.value](exec::Reply reply) { completions_.push(token, std::move(reply)); });
  return {};
}

Result<ConnectionId> NodeCalls::own_connection(PeerId peer, Incarnation life, Instant at) {
  OwnConnection& own = own_connections_[peer];
  if (own.life == life && !own.connection.is_none()) return own.connection;
  if (engine_.incarnation_of(peer) != life) return fail(ESTALE, "another life");
  const Result<ConnectionId> opened = engine_.open_connection(peer, "", "", at);
  if (opened) own = {life, *opened};
  return opened;
}

std::string NodeCalls::text_of(RequestId request) const {
  return request_text(peers_.name_of(NodeRef::self()), request.value);
}

void NodeCalls::cancel(RequestId request, Instant at) {
  const Pending* pending = calls_.find(request.value);
  if (pending == nullptr) return;
  if (logs_debug()) spdlog::debug("cancel request={}", text_of(request));
  if (pending->node.is_peer()) send_cancel(request, pending->node.peer_id(), pending->life, pending->connection, at);
  else executor_.cancel(PeerTable::kOwnClient, request.value);
}

/// If it cannot be sent, the peer or the only link is lost, and the call ends with that.
void NodeCalls::send_cancel(RequestId request, PeerId peer, Incarnation life, ConnectionId connection, Instant at) {
  const wire::RequestHeader header{.opcode = static_cast<std::uint16_t>(wire::Opcode::kCancel),
                                   .request = request.value};
  static_cast<void>(engine_.send(peer, life, connection, true, kPriorityNormal,
                                 with_envelope(header, wire::Caller(), Buffer(0)), at));
}

void NodeCalls::abandon(RequestId request, Instant at) {
  Pending* pending = calls_.find(request.value);
  if (pending == nullptr) return;
  pending->on_reply = nullptr;
  pending->owns_connection = pending->node.is_peer();
  cancel(request, at);
}

void NodeCalls::insist(const Debt& debt, std::function<void()> on_done, Instant at) {
  auto on_reply = [this, debt, on_done](const NodeReply& reply) {
    if (on_done) on_done();
    if (reply.is_lost || wire::errno_from_wire(reply.error) == EAGAIN) defer(debt);
  };
  const wire::RequestHeader header{.opcode = static_cast<std::uint16_t>(debt.opcode), .handle = debt.handle.value};
  const auto started = start({.node = debt.node,
                              .life = debt.life,
                              .header = header,
                              .caller = &debt.caller,
                              .body = Buffer(0),
                              .on_reply = std::move(on_reply),
                              .priority = on_done ? kPriorityNormal : kPriorityLingering,
                              .reason = debt.reason},
                             at);
  if (started) return;
  if (on_done) on_done();
  if (started.error().code != ESTALE) defer(debt);
}

void NodeCalls::defer(const Debt& debt) {
  if (deferred_.size() >= kDeferredMax) return;
  // Tried again when the peer is back, or soon if only room was missing.
  if (!debt.node.is_peer() || engine_.is_up(debt.node.peer_id())) retry_at_ = now() + kDeferredRetry;
  ++statistics_.deferred;
  deferred_.push_back(debt);
}

void NodeCalls::retry_deferred(Instant at) {
  retry_at_.reset();
  std::vector<Debt> debts;
  debts.swap(deferred_);
  for (const Debt& debt : debts) {
    if (debt.node.is_peer() && !engine_.is_up(debt.node.peer_id())) deferred_.push_back(debt);
    else insist(debt, nullptr, at);
  }
}

void NodeCalls::on_time(Instant at) {
  if (retry_at_ && *retry_at_ <= at) retry_deferred(at);
}

void NodeCalls::on_completion(std::uint64_t token, exec::Reply reply) {
  finish(RequestId{token}, to_node_reply(std::move(reply)), now());
}

void NodeCalls::on_reply_message(core::MessageArrived message, Instant at) {
  wire::ReplyHeader header;
  wire::Reader in(message.body.view());
  wire::get_field(in, header);
  if (in.has_failed() || header.size_bytes != in.rest().size()) {
    ++statistics_.alien_replies;
    return;
  }
  message.body.drop_front(wire::ReplyHeader::kBytes);
  const Pending* pending = calls_.find(header.request);
  // A peer can answer only what it was asked, in the life and on the connection in which it was asked.
  const bool is_asked = pending != nullptr && pending->node == NodeRef::peer(message.peer) &&
                        pending->life == message.incarnation && pending->connection == message.connection &&
                        pending->opcode == header.opcode;
  if (!is_asked) {
    ++statistics_.alien_replies;
    return;
  }
  finish(RequestId{header.request}, {.error = header.error, .body = std::move(message.body)}, at);
}

void NodeCalls::finish(RequestId request, NodeReply reply, Instant at) {
  std::optional<Pending> pending = calls_.take(request.value);
  if (!pending) return;
  if (logs_debug()) spdlog::debug("reply request={} error={}", text_of(request), reply.error);
  if (pending->on_reply) return pending->on_reply(std::move(reply));

  ++statistics_.late_replies;
  if (reply.error == 0) undo(*pending, reply, at);
  if (pending->owns_connection && engine_.incarnation_of(pending->node.peer_id()) == pending->life) {
    engine_.close_connection(pending->node.peer_id(), pending->connection, at);
  }
}

void NodeCalls::undo(const Pending& pending, const NodeReply& reply, Instant at) {
  const auto opcode = static_cast<wire::Opcode>(pending.opcode);
  if (opcode == wire::Opcode::kLockRange && on_late_lock) on_late_lock(pending.node, pending.life, pending.process);
  if (opcode != wire::Opcode::kOpen) return;
  const auto opened = wire::decode<wire::OpenReply>(reply.body.view());
  if (!opened) return;
  insist({pending.node, pending.life, wire::Opcode::kClose, HandleId{opened->handle}, wire::Caller(), "given-up"},
         nullptr, at);
}

void NodeCalls::on_peer_up(const core::PeerUp& event, Instant at) {
  const auto is_of_another_life = [&](const Pending& pending) {
    return pending.node == NodeRef::peer(event.peer) && pending.life != event.incarnation;
  };
  for (const std::uint64_t request : calls_.numbers_if(is_of_another_life)) {
    lose(RequestId{request}, ESTALE);
    calls_.take(request);
  }
  if (!deferred_.empty()) retry_deferred(at);
}

void NodeCalls::on_peer_down(const core::PeerDown& event) {
  const auto is_waiting = [&](const Pending& pending) {
    return pending.node == NodeRef::peer(event.peer) && pending.on_reply;
  };
  for (const std::uint64_t request : calls_.numbers_if(is_waiting)) lose(RequestId{request}, EHOSTDOWN);
}

void NodeCalls::on_connection_lost(const core::ConnectionLost& event, Instant at) {
  const auto is_waiting = [&](const Pending& pending) {
    return pending.node == NodeRef::peer(event.peer) && pending.life == event.incarnation &&
           pending.connection == event.connection && pending.on_reply;
  };
  for (const std::uint64_t request : calls_.numbers_if(is_waiting)) {
    lose(RequestId{request}, ENETDOWN);
    const Result<ConnectionId> other = own_connection(event.peer, event.incarnation, at);
    if (other) send_cancel(RequestId{request}, event.peer, event.incarnation, *other, at);
  }
}

/// Ends the waiting, not the call: the same life may come back and answer, and what it opened must then be closed.
void NodeCalls::lose(RequestId request, int error) {
  Pending* pending = calls_.find(request.value);
  if (pending == nullptr || !pending->on_reply) return;
  ++statistics_.lost_with_peer;
  pending->owns_connection = true;
  const auto own = own_connections_.find(pending->node.peer_id());
  if (own != own_connections_.end() && own->second.connection == pending->connection) own_connections_.erase(own);

  const OnReply on_reply = std::exchange(pending->on_reply, nullptr);
  NodeReply reply = failed(error);
  reply.is_lost = true;
  on_reply(std::move(reply));
}

void NodeCalls::on_peer_gone(const core::PeerGone& event) {
  const auto is_over = [&](const Pending& pending) {
    return pending.node == NodeRef::peer(event.peer) && pending.life == event.incarnation;
  };
  for (const std::uint64_t request : calls_.numbers_if(is_over)) {
    lose(RequestId{request}, EHOSTDOWN);
    calls_.take(request);
  }
  std::erase_if(deferred_, [&](const Debt& debt) {
    return debt.node == NodeRef::peer(event.peer) && debt.life == event.incarnation;
  });
  const auto own = own_connections_.find(event.peer);
  if (own != own_connections_.end() && own->second.life == event.incarnation) own_connections_.erase(own);
}

}  // namespace qnet::agent
