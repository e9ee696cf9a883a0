// SPDX-License-Identifier: Apache-2.0
#include "agent/router.hpp"

#include <fcntl.h>

#include <algorithm>
#include <iterator>

#include "agent/log.hpp"
#include "transport/base/net_path.hpp"

namespace qnet::agent {
namespace {

using wire::Opcode;

Opcode opcode_of(const LocalRequest& request) {
  return static_cast<Opcode>(request.header.opcode);
}

/// Only what an owner may say: the kind becomes a letter in the handle's name.
bool is_sound(const wire::OpenReply& opened) {
  return opened.handle != 0 && std::string_view("fdscp").contains(static_cast<char>(opened.kind));
}

FileIdentity file_of(const wire::Attributes& attributes) {
  return {attributes.device_major, attributes.device_minor, attributes.inode};
}

}  // namespace

Router::Router(Parts parts, Duration call_grace) : parts_(parts), call_grace_(call_grace) {}

void Router::on_request(LocalSession& session, LocalRequest request) {
  ++statistics_.requests;
  const Opcode opcode = opcode_of(request);
  if (wire::where_executed(opcode) == wire::Where::kAgent) {
    return parts_.own_answers.answer(session, std::move(request));
  }
  const Result<NodeRef> node = find_node(session, request);
  if (!node) return session.reply(refused(node.error().code));
  if (const std::uint16_t error = check_handles(session, *node, request.header, session.in_flight.life); error != 0) {
    ++statistics_.refused_handles;
    return session.reply({.error = error});
  }
  session.in_flight.node = *node;
  if (opcode == Opcode::kOpen) {
    Result<LocalHandles::Place> place = parts_.handles.reserve(session.caller().user);
    if (!place) return session.reply(failed(place.error().code));
    session.in_flight.place = std::move(*place);
  }
  if (node->is_root()) {
    NodeReply reply = parts_.net_root.answer(request.header, request.body.view());
    session.in_flight.life = parts_.nodes.own_incarnation();
    if (opcode == Opcode::kOpen && reply.error == 0) return reply_open(session, std::move(reply));
    return session.reply(std::move(reply));
  }
  if (NetRoot::changes_entry(opcode, request.header, request.body.view())) return session.reply(failed(EROFS));

  const Instant at = now();
  if (!hold(session, *node, request, at)) forward(session, *node, std::move(request), at);
}

Result<NodeRef> Router::find_node(const LocalSession& session, const LocalRequest& request) const {
  if (session.target().empty()) return NodeRef::root();
  const NodeTarget target = split_target(session.target());
  const std::optional<NodeRef> node = parts_.nodes.find(target.node);
  if (!node && request.header.handle != 0) return fail(ESTALE, "handle of a node that was removed");
  if (!node) return fail(NetRoot::error_for_missing(opcode_of(request), request.body.view()), "no such node");
  if (const Status known = parts_.engine.check_policy(target); !known) return fail(known.error());
  return *node;
}

std::uint16_t Router::check_handles(const LocalSession& session, NodeRef node, const wire::RequestHeader& header,
                                    Incarnation& life) {
  for (const std::uint64_t id : {header.handle, header.second_handle}) {
    if (id == 0) continue;
    const HandleKey key{node, HandleId{id}};
    const LocalHandle* handle = parts_.handles.find(key);
    if (handle == nullptr) return wire::kErrorHandleGone;
    const std::uint32_t user = session.caller().user;
    if (user != 0 && user != handle->opener.user && !session.has_adopted(key)) return wire::kErrorProveHandle;
    if (!life.is_none() && life != handle->life) return wire::kErrorHandleGone;
    life = handle->life;
  }
  return 0;
}

bool Router::hold(LocalSession& session, NodeRef node, LocalRequest& request, Instant at) {
  Held held{.session = &session, .node = node};
  if (parts_.barriers.blocks(node, session.caller().user, parts_.barriers.latest())) {
    held.barrier = parts_.barriers.latest();
    held.until = at + Barriers::kHoldMax;
  } else if (node.is_peer() && !parts_.engine.is_up(node.peer_id()) && at - started_ < kFirstContact &&
             parts_.engine.down_reason_of(node.peer_id()) == core::DownReason::kNeverSeen) {
    held.waits_for_peer = true;
    held.until = at + kFirstContact + call_grace_;
  } else {
    return false;
  }
  ++statistics_.held;
  held.request = std::move(request);
  held_.push_back(std::move(held));
  return true;
}

void Router::forward(LocalSession& session, NodeRef node, LocalRequest request, Instant at) {
  const Result<Incarnation> life = parts_.calls.life_of(node, session.in_flight.life);
  if (!life) return session.reply(refused(life.error().code));
  session.in_flight.life = *life;
  const HandleKey key{node, HandleId{request.header.handle}};
  if (const Status noted = note_locks(session, key, *life, request); !noted) {
    return session.reply(failed(noted.error().code));
  }

  NodeCalls::Call call{
      .node = node,
      .life = *life,
      .header = request.header,
      .caller = &session.caller(),
      .body = std::move(request.body),
      .on_reply = [this, waiting = &session](NodeReply reply) { on_reply(*waiting, std::move(reply)); },
      .priority = session.priority.at(at)};
  if (node.is_peer()) {
    const Result<ConnectionId> connection =
        session.connections.get(parts_.engine, node.peer_id(), *life, split_target(session.target()), at);
    if (!connection) return session.reply(failed(connection.error().code));
    call.connection = *connection;
    session.in_flight.connection = *connection;
  }
  const Result<RequestId> started = parts_.calls.start(std::move(call), at);
  if (!started) return session.reply(failed(started.error().code));
  session.in_flight.call = *started;
}

Status Router::note_locks(const LocalSession& session, const HandleKey& key, Incarnation life,
                          const LocalRequest& request) {
  const Opcode opcode = opcode_of(request);
  if (opcode != Opcode::kLockWhole && opcode != Opcode::kLockRange) return {};
  if (opcode == Opcode::kLockRange) {
    const auto lock = wire::decode<wire::LockRangeRequest>(request.body.view());
    if (lock && lock->is_ofd == 0) {
      const bool is_taken =
          lock->command != static_cast<std::uint8_t>(wire::LockCommand::kGet) && lock->type != F_UNLCK;
      if (!is_taken) return {};
      return parts_.locks.watch(session.caller(), session.descriptor(), key.node, life);
    }
  }
  if (LocalHandle* handle = parts_.handles.find(key)) handle->has_locks = true;
  return {};
}

void Router::on_reply(LocalSession& session, NodeReply reply) {
  const LocalSession::InFlight& in_flight = session.in_flight;
  if (reply.is_lost && in_flight.node.is_peer()) {
    session.connections.give_away(in_flight.node.peer_id(), in_flight.life, in_flight.connection);
  }
  if (in_flight.opcode == static_cast<std::uint16_t>(Opcode::kOpen) && reply.error == 0) {
    return reply_open(session, std::move(reply));
  }
  session.reply(std::move(reply));
}

void Router::reply_open(LocalSession& session, NodeReply reply) {
  const auto opened = wire::decode<wire::OpenReply>(reply.body.view());
  if (!opened || !is_sound(*opened)) return session.reply(failed(EPROTO));
  const HandleKey key{session.in_flight.node, HandleId{opened->handle}};
  const Incarnation life = session.in_flight.life;
  Result<UniqueFd> end = parts_.handles.create(std::move(*session.in_flight.place),
                                               {.key = key,
                                                .life = life,
                                                .kind = static_cast<wire::HandleKind>(opened->kind),
                                                .file = file_of(opened->attributes),
                                                .target = session.target(),
                                                .opener = &session.caller()},
                                               parts_.keeper);
  if (!end) {
    if (key.node.is_root()) {
      parts_.net_root.close(key.handle);
    } else {
      if (logs_debug()) {
        spdlog::debug("no descriptor request={} step={} errno={}", parts_.calls.text_of(session.in_flight.call),
                      end.error().where, end.error().code);
      }
      parts_.calls.insist({key.node, life, Opcode::kClose, key.handle, session.caller(), "no-descriptor"}, nullptr,
                          now());
    }
    return session.reply(failed(end.error().code));
  }
  ++statistics_.opened;
  session.reply(std::move(reply), std::move(*end));
}

void Router::on_cancel(LocalSession& session, std::uint64_t request) {
  if (session.in_flight.request != request) return;
  ++statistics_.cancelled;
  if (!session.in_flight.call.is_none()) return parts_.calls.cancel(session.in_flight.call, now());
  const auto was_held = std::erase_if(held_, [&](const Held& held) { return held.session == &session; });
  if (was_held > 0) return session.reply(failed(EINTR));
  parts_.own_answers.on_cancel(session);
}

void Router::on_closed(LocalSession& session) {
  const Instant at = now();
  std::erase_if(held_, [&](const Held& held) { return held.session == &session; });
  parts_.own_answers.on_closed(session);
  const LocalSession::InFlight& in_flight = session.in_flight;
  if (!in_flight.call.is_none()) {
    if (in_flight.node.is_peer()) {
      session.connections.give_away(in_flight.node.peer_id(), in_flight.life, in_flight.connection);
    }
    parts_.calls.abandon(in_flight.call, at);
  }
  session.connections.close_all(parts_.engine, at);
}

/// Sends on, or refuses, every held request that fulfils the condition.
template <class Condition>
void Router::release_if(Condition&& condition) {
  const auto first =
      std::stable_partition(held_.begin(), held_.end(), [&](const Held& held) { return !condition(held); });
  std::vector<Held> released(std::make_move_iterator(first), std::make_move_iterator(held_.end()));
  held_.erase(first, held_.end());
  for (Held& held : released) {
    // A reply to one cannot close another: sessions close on their own events only.
    forward(*held.session, held.node, std::move(held.request), now());
  }
}

void Router::on_peer_up(PeerId peer) {
  if (held_.empty()) return;
  release_if([&](const Held& held) { return held.waits_for_peer && held.node == NodeRef::peer(peer); });
}

void Router::on_barrier_lowered() {
  if (held_.empty()) return;
  release_if([&](const Held& held) {
    return !held.waits_for_peer && !parts_.barriers.blocks(held.node, held.session->caller().user, held.barrier);
  });
}

std::optional<Instant> Router::deadline() const {
  std::optional<Instant> earliest;
  for (const Held& held : held_) earliest = earliest ? std::min(*earliest, held.until) : held.until;
  return earliest;
}

void Router::on_time(Instant at) {
  if (held_.empty()) return;
  release_if([&](const Held& held) {
    if (held.until > at) return false;
    ++statistics_.held_too_long;
    return true;  // To a peer that is still not up this gives EHOSTDOWN.
  });
}

}  // namespace qnet::agent
