// SPDX-License-Identifier: Apache-2.0
#include "transport/core/session.hpp"

#include <algorithm>
#include <bit>

#include "transport/wire/message.hpp"

namespace qnet::core {

Session::Session(Context& context, Paths& paths, const SessionTerms& terms)
    : context_(context),
      paths_(paths),
      terms_(terms),
      connections_(context.config.connections_max),
      send_credit_(terms.session_credit_bytes, kSessionOverrunBytes),
      receive_credit_(context.config.session_credit_bytes, kSessionOverrunBytes) {}

Result<ConnectionId> Session::open_connection(const Policy& policy, Instant now) {
  if (is_known_down(policy, now)) return fail(ENETDOWN, "open_connection");
  Connection* connection =
      connections_.open_own(SendCredit(terms_.connection_credit_bytes, kConnectionOverrunBytes),
                            ReceiveCredit(context_.config.connection_credit_bytes, kConnectionOverrunBytes));
  if (connection == nullptr) return fail(ENFILE, "open_connection: too many");
  connection->policy = policy;
  if (policy.kind == PolicyKind::kExclusive) exclusive_links_ |= 1u << policy.link.value;
  return connection->id;
}

void Session::close_connection(ConnectionId id) {
  Connection* connection = connections_.find(id.value, true);
  if (connection == nullptr || connection->is_closed) return;
  connection->is_closed = true;
  connection->is_close_due = true;
  connections_.on_own_closed();
  set_awaiting(*connection, false);
  notice(*connection);
}

Status Session::send(ConnectionId id, bool is_own, Priority priority, Buffer body, Instant now) {
  if (body.size() > wire::kMessageBytesMax) return fail(EMSGSIZE, "Session::send");
  Connection* connection = connections_.find(id.value, is_own);
  if (connection == nullptr || connection->is_closed) {
    if (is_own) return fail(EBADF, "Session::send: not open");
    return {};  // Whoever asked has closed the connection; nobody reads the answer.
  }
  if (is_own && is_known_down(connection->policy, now)) return fail(ENETDOWN, "Session::send");
  unsent_bytes_ += body.size();
  change_send(*connection, [&](SendQueue& queue) { queue.push(std::move(body), priority); });
  if (is_own) set_awaiting(*connection, true);
  if (priority != kPriorityLingering) {
    press(*connection);
  } else {
    if (waiting_lanes() == 0) linger_until_ = now + kLingerMax;
    scheduler_.enqueue(*connection);
  }
  active_until_ = now + kActiveAfter;
  ++context_.statistics.messages_sent;
  return {};
}

bool Session::is_active(Instant now) const {
  if (now < active_until_ || awaiting_ > 0 || waiting_lanes() != 0) return true;
  return std::any_of(paths_.begin(), paths_.end(), [](const auto& path) { return path->sent.has_frames(); });
}

void Session::notice(Connection& connection) {
  const Lane lane = lane_of(connection.policy);
  if ((connection.noticed_in >> lane & 1) != 0) return;
  connection.noticed_in |= Lanes{1} << lane;
  notices_[lane].push_back({connection.id.value, connection.is_own});
  noticed_ |= Lanes{1} << lane;
}

void Session::set_awaiting(Connection& connection, bool awaits_reply) {
  if (connection.awaits_reply == awaits_reply) return;
  connection.awaits_reply = awaits_reply;
  awaiting_ += awaits_reply ? 1 : std::size_t(-1);
}

void Session::forget_if_over(Connection& connection) {
  if (!connection.is_over()) return;
  scheduler_.remove(connection);
  connections_.erase(connection);
}

void Session::on_frame_acked(const FrameRecord& frame) {
  if (frame.type != wire::FrameType::kData && frame.type != wire::FrameType::kClose) return;
  Connection* connection = connections_.find(frame.connection, frame.is_own);
  if (connection == nullptr) return;
  if (frame.type == wire::FrameType::kData) {
    change_send(*connection, [&](SendQueue& queue) { queue.on_acked(frame.message, frame.offset, frame.length); });
    if (!connection->send.empty()) press(*connection);  // The window has moved.
  } else {
    connection->is_close_acked = true;
    connection->is_close_due = false;
  }
  forget_if_over(*connection);
}

void Session::on_frame_lost(const FrameRecord& frame) {
  if (frame.type == wire::FrameType::kCredit && frame.connection == 0) {
    is_session_credit_due_ = true;
    return;
  }
  Connection* connection =
      frame.type == wire::FrameType::kPing ? nullptr : connections_.find(frame.connection, frame.is_own);
  if (connection == nullptr) return;
  if (frame.type == wire::FrameType::kData) {
    if (connection->send.on_lost(frame.message, frame.offset, frame.length)) press(*connection);
  } else if (frame.type == wire::FrameType::kCredit) {
    connection->is_credit_due = true;
    notice(*connection);
  } else if (!connection->is_close_acked) {
    connection->is_close_due = true;
    notice(*connection);
  }
}

void Session::add_to(EngineHoldings& holdings) {
  ++holdings.sessions;
  holdings.connections += connections_.size();
  holdings.received_bytes += receive_credit_.held_bytes();
  holdings.reply_bytes += reply_bytes_;
  for (const RingQueue<Notice>& notices : notices_) holdings.notices += notices.size();
  connections_.for_each([&holdings](const Connection& connection) {
    if (connection.is_own) holdings.request_bytes += connection.send.held_bytes();
  });
  for (const auto& path : paths_) holdings.packets_unsettled += path->sent.unsettled();
}

bool Session::on_path_time(Path& path, Instant now) {
  if (path.sent.loss_time() && now >= *path.sent.loss_time()) {
    path.sent.detect_losses(now, path.rtt, path.congestion, *this);
    path.learn_size(now);
  }
  if (!path.monitor.is_usable()) return false;
  const std::optional<Instant> timeout = path.timeout_at();
  if (timeout && now >= *timeout) on_timeout(path, now);
  if (path.monitor.wants_probe(now, is_active(now))) path.wants_probe = true;
  const std::optional<Instant> trial_at = path.datagram.trial_at();
  if (trial_at && now >= *trial_at) path.wants_trial = true;
  if (!path.monitor.is_dead(now, path.rtt.probe_timeout(0))) return false;
  give_up(path, now);
  return true;
}

void Session::give_up(Path& path, Instant now) {
  path.sent.abandon_all(path.congestion, *this);
  if (path.monitor.is_usable()) ++context_.statistics.paths_down;
  path.go_down(now, reason_of(context_.links[path.link.value].fault));
  report_change(context_, terms_.peer, path);
  lost_links_ &= ~(1u << path.link.value);
}

/// Sends the oldest again, elsewhere if the policy permits, without waiting for the verdict on the path.
void Session::on_timeout(Path& path, Instant now) {
  path.monitor.on_timeout(now);
  report_change(context_, terms_.peer, path);
  ++path.timeouts;
  ++context_.statistics.probe_timeouts;
  path.timeout_base = now;
  path.wants_probe = true;
  const bool has_other = is_any_usable([&path](const Path& other) { return &other != &path; });
  const bool is_hopeless = has_other && path.timeouts >= kTimeoutsToLeave;
  context_.statistics.packets_rescued +=
      path.sent.rescue_oldest(is_hopeless ? SentPackets::kPacketsMax : Path::kRescuePackets, *this);
  path.rescue_packets = Path::kRescuePackets;
  const PathSet others = permitted_paths(paths_, Policy{}, now);
  if (Path* other = choose_for_small(paths_, others, 0, nullptr)) other->rescue_packets = Path::kRescuePackets;
}

template <class Condition>
bool Session::is_any_usable(Condition&& condition) const {
  return std::any_of(paths_.begin(), paths_.end(),
                     [&](const auto& path) { return path->monitor.is_usable() && condition(*path); });
}

bool Session::is_link_usable(LinkId link) const {
  return is_any_usable([link](const Path& path) { return path.link == link; });
}

bool Session::is_known_down(const Policy& policy, Instant now) const {
  if (policy.kind != PolicyKind::kExclusive) return false;
  return std::all_of(paths_.begin(), paths_.end(), [&](const auto& path) {
    const bool has_been_given_time = path->monitor.has_failed() || now >= path->down_since + context_.config.call_grace;
    return path->link != policy.link || (!path->monitor.is_usable() && has_been_given_time);
  });
}

std::optional<Instant> Session::verdict_at(LinkId link) const {
  const unsigned bit = 1u << link.value;
  const bool is_of_interest = (exclusive_links_ & bit) != 0 && (lost_links_ & bit) == 0;
  if (!is_of_interest || is_link_usable(link)) return std::nullopt;
  if (!is_any_usable([](const Path&) { return true; })) return std::nullopt;  // Then it is the peer that is lost.
  Instant since{};
  for (const auto& path : paths_) since = path->link == link ? std::max(since, path->down_since) : since;
  return since + context_.config.call_grace;
}

void Session::on_time(Instant now) {
  for (unsigned links = exclusive_links_; links != 0; links &= links - 1) {
    const LinkId link{static_cast<std::uint8_t>(std::countr_zero(links))};
    const std::optional<Instant> verdict = verdict_at(link);
    if (!verdict || now < *verdict) continue;
    lost_links_ |= 1u << link.value;
    connections_.for_each([&](Connection& connection) {
      if (!connection.is_own || connection.policy != Policy{PolicyKind::kExclusive, link}) return;
      // Its caller is told that it failed: what has not been begun is not executed when the link is back.
      change_send(connection, [this](SendQueue& queue) { unsent_bytes_ -= queue.drop_unsent(); });
      ++context_.statistics.connections_lost;
      context_.emit(ConnectionLost{terms_.peer, terms_.incarnation, connection.id});
    });
  }
}

std::optional<Instant> Session::deadline() const {
  std::optional<Instant> first;
  for (unsigned links = exclusive_links_; links != 0; links &= links - 1) {
    const std::optional<Instant> verdict = verdict_at(LinkId{static_cast<std::uint8_t>(std::countr_zero(links))});
    if (verdict && (!first || *verdict < *first)) first = verdict;
  }
  return first;
}

std::optional<Instant> Session::path_deadline(const Path& path, Instant now) const {
  std::optional<Instant> first = path.sent.loss_time();
  const auto consider = [&first](std::optional<Instant> when) {
    if (when && (!first || *when < *first)) first = when;
  };
  consider(path.timeout_at());
  if (path.monitor.is_usable() && !path.wants_trial) consider(path.datagram.trial_at());
  if (!path.wants_probe) consider(path.monitor.deadline(is_active(now), path.rtt.probe_timeout(0)));
  return first;
}

std::optional<Instant> Session::output_deadline() const {
  std::optional<Instant> first;
  if (waiting_lanes() != 0) first = linger_until_;
  for (unsigned pending = acks_pending_; pending != 0; pending &= pending - 1) {
    const std::optional<Instant> due = acknowledgers_[static_cast<std::size_t>(std::countr_zero(pending))].due_at();
    if (due && (!first || *due < *first)) first = due;
  }
  return first;
}

}  // namespace qnet::core
