// SPDX-License-Identifier: Apache-2.0
#include "agent/own_answers.hpp"

#include <chrono>
#include <deque>

#include "agent/listing.hpp"
#include "transport/base/net_path.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::agent {
namespace {

template <class Unit>
std::uint32_t count_of(Duration time) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<Unit>(time).count());
}

/// CLOCK_REALTIME of a moment of our own clock.
std::int64_t real_time_us(Instant moment, Instant at) {
  const auto then = std::chrono::system_clock::now().time_since_epoch() - (at - moment);
  return std::chrono::duration_cast<std::chrono::microseconds>(then).count();
}

}  // namespace

OwnAnswers::OwnAnswers(const PeerTable& nodes, const core::Engine& engine, const LinkPump& pump, LocalHandles& handles,
                       ShadowService& shadows, EnteredDirectories& entered, KernelFiles& kernel_files, EventLog& events,
                       std::function<std::string()> statistics)
    : nodes_(nodes),
      engine_(engine),
      pump_(pump),
      handles_(handles),
      shadows_(shadows),
      entered_(entered),
      kernel_files_(kernel_files),
      events_(events),
      statistics_(std::move(statistics)) {}

void OwnAnswers::answer(LocalSession& session, LocalRequest request) {
  switch (static_cast<wire::Opcode>(request.header.opcode)) {
    case wire::Opcode::kAdoptHandle:
      return adopt_handle(session, request);
    case wire::Opcode::kEnterDirectory:
      return enter_directory(session, std::move(request));
    case wire::Opcode::kGetKernelDescriptor:
      return give_kernel_descriptor(session, std::move(request));
    case wire::Opcode::kListNodes:
      return list_nodes(session);
    case wire::Opcode::kListLinks:
      return list_links(session);
    case wire::Opcode::kNextEvents:
      return next_events(session, request);
    case wire::Opcode::kGetStatistics:
      return session.reply({.body = Buffer(as_bytes(statistics_()))});
    default:
      return session.reply(failed(EOPNOTSUPP));
  }
}

Result<HandleKey> OwnAnswers::shown_handle(const LocalSession& session, const LocalRequest& request) const {
  const std::string_view name = split_target(session.target()).node;
  const std::optional<NodeRef> node = name.empty() ? NodeRef::root() : nodes_.find(name);
  if (!node) return fail(ENOENT, "no such node");
  const HandleKey key{*node, HandleId{request.header.handle}};
  const LocalHandle* handle = handles_.find(key);
  if (handle == nullptr) return fail(ESTALE, "no such handle");
  const int shown = request.descriptor.get();
  if (LocalHandles::is_end_of(*handle, shown)) return key;
  const bool is_adopting = request.header.opcode == static_cast<std::uint16_t>(wire::Opcode::kAdoptHandle);
  // Being in a directory gives nobody else the right to read it: only what is open as a place.
  const bool is_place = handle->kind == wire::HandleKind::kPath;
  if (is_adopting && is_place && entered_.is_shadow_of(key, shown)) return key;
  return fail(EACCES, "not shown");
}

void OwnAnswers::adopt_handle(LocalSession& session, const LocalRequest& request) {
  const Result<HandleKey> key = shown_handle(session, request);
  if (!key) return session.reply(failed(key.error().code));
  session.adopt(*key);
  session.reply({});
}

void OwnAnswers::give_kernel_descriptor(LocalSession& session, LocalRequest request) {
  const Result<HandleKey> key = shown_handle(session, request);
  if (!key) return session.reply(failed(key.error().code));
  kernel_files_.give(session, *key, std::move(request));
}

void OwnAnswers::enter_directory(LocalSession& session, LocalRequest request) {
  const auto enter = wire::decode<wire::EnterDirectoryRequest>(request.body.view());
  if (!enter) return session.reply(failed(EPROTO));
  Entering entering{.session = &session, .where = {.path = std::string(enter->path)}, .end = {}};
  if (request.header.handle != 0) {
    const Result<HandleKey> key = shown_handle(session, request);
    if (!key) return session.reply(failed(key.error().code));
    const LocalHandle& handle = *handles_.find(*key);
    entering.where = {*key, handle.life, handle.opener.user, handle.file, std::move(entering.where.path)};
    if (std::optional<UniqueFd> shadow = entered_.find(entering.where, now())) {
      return session.reply({}, std::move(*shadow));
    }
    entering.end = std::move(request.descriptor);
  }
  const std::uint64_t number = entering_.insert(std::move(entering));
  if (number == 0) return session.reply(failed(EAGAIN));
  shadows_.make(std::string(enter->path), HandleId{request.header.handle}, number | kTokenBit);
}

void OwnAnswers::on_completion(CompletionQueue::Completion completion) {
  std::optional<Entering> entering = entering_.take(completion.token & ~kTokenBit);
  if (!entering || entering->session == nullptr) return;
  if (completion.descriptor && entering->end) {
    entered_.keep(std::move(entering->where), std::move(entering->end), completion.descriptor.get(), now());
  }
  entering->session->reply(failed(completion.reply.error), std::move(completion.descriptor));
}

void OwnAnswers::next_events(LocalSession& session, const LocalRequest& request) {
  const auto next = wire::decode<wire::NextEventsRequest>(request.body.view());
  if (!next) return session.reply(failed(EPROTO));
  events_.give(session, next->after);
}

void OwnAnswers::on_cancel(LocalSession& session) {
  if (events_.forget(session)) session.reply(failed(EINTR));
}

void OwnAnswers::on_closed(const LocalSession& session) {
  kernel_files_.on_closed(session);
  events_.forget(session);
  if (entering_.size() == 0) return;
  const auto is_his = [&](const Entering& entering) { return entering.session == &session; };
  for (const std::uint64_t number : entering_.numbers_if(is_his)) entering_.find(number)->session = nullptr;
}

void OwnAnswers::list_nodes(LocalSession& session) {
  std::vector<wire::NodeEntry> entries;
  for (const NodeInfo* node : nodes_.all()) {
    wire::NodeEntry entry{.state = static_cast<std::uint8_t>(node->state),
                          .incarnation = node->incarnation.value,
                          .since_s = node->since_s,
                          .name = node->name,
                          .reason = ""};
    // The engine may have learned more since the peer went down.
    const std::optional<NodeRef> peer = nodes_.find(node->name);
    if (node->state == wire::NodeState::kDown) entry.reason = core::text_of(engine_.down_reason_of(peer->peer_id()));
    entries.push_back(entry);
  }
  session.reply(listing(entries));
}

void OwnAnswers::list_links(LocalSession& session) {
  std::vector<wire::LinkEntry> entries;
  std::deque<std::string> addresses;
  const Instant at = now();
  for (const NodeInfo* node : nodes_.all()) {
    const std::optional<NodeRef> peer = nodes_.find(node->name);
    if (!peer->is_peer()) continue;
    for (const core::PathView& path : engine_.paths_of(peer->peer_id())) {
      addresses.push_back(pump_.driver_of(path.link).format_address(path.address));
      entries.push_back({.since_us = path.since ? real_time_us(*path.since, at) : node->since_s * 1'000'000,
                         .hold_ms = count_of<std::chrono::milliseconds>(path.hold),
                         .has_round_trip = path.has_round_trip,
                         .round_trip_us = count_of<std::chrono::microseconds>(path.round_trip),
                         .variation_us = count_of<std::chrono::microseconds>(path.variation),
                         .bytes_sent = path.bytes_sent,
                         .bytes_received = path.bytes_received,
                         .packets_sent = path.packets_sent,
                         .frames_lost = path.frames_lost,
                         .bytes_per_second = path.bytes_per_second,
                         .in_flight_bytes = path.in_flight_bytes,
                         .in_flight_bytes_max = path.in_flight_bytes_max,
                         .backlog_bytes = pump_.backlog_bytes(path.link),
                         .unsent_bytes = path.unsent_bytes,
                         .downs = path.downs,
                         .peer = node->name,
                         .link = pump_.name_of(path.link),
                         .address = std::string_view(addresses.back()).substr(0, kEntryTextBytesMax),
                         .state = core::text_of(path.state),
                         .reason = core::text_of(path.reason)});
    }
  }
  session.reply(listing(entries));
}

}  // namespace qnet::agent
