// SPDX-License-Identifier: Apache-2.0
//
// session_receive.cpp: what does an arriving packet change?
#include <algorithm>
#include <utility>

#include "transport/core/session.hpp"

namespace qnet::core {

bool Session::on_packet(const wire::PacketHeader& header, ByteView payload, const Path& arrival, Instant now) {
  if (header.path >= kPathsMax || header.version != terms_.version) return false;
  Acknowledger& acknowledger = acknowledgers_[header.path];
  if (!acknowledger.is_plausible(header.number)) return false;
  if (acknowledger.is_duplicate(header.number)) {
    ++context_.statistics.frames_duplicate;
    return true;
  }
  if (!wire::are_frames_valid(payload)) return false;

  std::optional<Duration> hold_back;
  wire::FrameReader frames(payload);
  wire::FrameView frame;
  while (frames.next(frame)) {
    if (!apply(frame, {header.path, arrival}, hold_back, now))
      return false;  // Not acknowledged: it may be right later.
  }
  if (!held_back_.empty()) deliver_held_back();
  acknowledger.on_received(header, payload.size(), hold_back, arrival.id, now);
  if (acknowledger.is_pending()) acks_pending_ |= 1u << header.path;
  return true;
}

bool Session::apply(const wire::FrameView& view, const Arrival& arrival, std::optional<Duration>& hold_back,
                    Instant now) {
  Duration patience = kAckDelayOther;
  bool is_right = true;
  switch (view.type) {
    case wire::FrameType::kAck:
      return apply_ack(*wire::decode_ack(view.body), now);
    case wire::FrameType::kData: {
      const wire::DataFrame data = *wire::decode_data(view.body);
      if (data.direction == wire::Direction::kRequest) patience = kAckDelayRequest;
      is_right = apply_data(data, arrival, now);
      break;
    }
    case wire::FrameType::kCredit:
      apply_credit(*wire::decode_credit(view.body));
      break;
    case wire::FrameType::kClose:
      is_right = apply_close(*wire::decode_close(view.body), arrival);
      break;
    case wire::FrameType::kPing:
      patience = Duration::zero();
      break;
    case wire::FrameType::kGoodbye:
      has_heard_goodbye_ = true;
      break;
  }
  hold_back = hold_back ? std::min(*hold_back, patience) : patience;
  return is_right;
}

Connection* Session::accept(std::uint32_t id, bool& is_violation) {
  return connections_.find_or_accept(id, SendCredit(terms_.connection_credit_bytes, kConnectionOverrunBytes),
                                     ReceiveCredit(context_.config.connection_credit_bytes, kConnectionOverrunBytes),
                                     is_violation);
}

bool Session::apply_data(const wire::DataFrame& frame, const Arrival& arrival, Instant now) {
  bool is_violation = false;
  Connection* connection = frame.direction == wire::Direction::kRequest ? accept(frame.connection, is_violation)
                                                                        : connections_.find(frame.connection, true);
  if (connection == nullptr) {
    if (!is_violation) ++context_.statistics.frames_duplicate;
    return !is_violation;
  }
  switch (connection->receive.on_piece(frame, receive_credit_)) {
    case ReceiveQueue::Verdict::kViolation:
      return false;
    case ReceiveQueue::Verdict::kDuplicate:
      ++context_.statistics.frames_duplicate;
      return true;
    case ReceiveQueue::Verdict::kNew:
      break;
  }
  follow_policy(*connection, frame, arrival);
  active_until_ = now + kActiveAfter;
  deliver(*connection);
  return true;
}

template <class Frame>
void Session::follow_policy(Connection& connection, const Frame& frame, const Arrival& arrival) {
  if (connection.is_own || (frame.policy == PolicyKind::kLoadBalance && connection.policy == Policy{})) return;
  Policy policy{.kind = frame.policy, .link = {}};
  if (policy.has_link()) {
    const bool is_here = frame.policy_path == arrival.their_path;
    if (is_here) policy.link = arrival.path.link;
    else if (acknowledgers_[frame.policy_path].has_heard())
      policy.link = paths_[acknowledgers_[frame.policy_path].arrival_path()]->link;
    else policy = {};  // Nothing has ever come from there: we do not know which of our links it means.
  }
  if (policy == connection.policy) return;
  scheduler_.remove(connection);
  connection.policy = policy;
  if (!connection.send.empty()) press(connection);
  if (connection.noticed_in != 0) notice(connection);
}

void Session::deliver(Connection& connection) {
  while (connection.receive.has_next()) {
    if (!connection.is_own && reply_bytes_ > context_.config.session_credit_bytes) {
      if (!std::exchange(connection.is_held_back, true)) held_back_.push_back(connection.id.value);
      break;
    }
    std::optional<ReceiveQueue::Delivered> message = connection.receive.pop(receive_credit_);
    if (connection.is_own) {
      if (connection.is_closed) continue;  // Nobody waits for it any more.
      set_awaiting(connection, false);
    }
    ++context_.statistics.messages_delivered;
    context_.emit(MessageArrived{terms_.peer, terms_.incarnation, connection.id, connection.is_own, message->priority,
                                 std::move(message->body)});
  }
  if (connection.receive.credit().wants_to_grant() && !connection.peer_end) {
    connection.is_credit_due = true;
    notice(connection);
  }
  if (receive_credit_.wants_to_grant()) is_session_credit_due_ = true;
  if (!connection.is_own) finish_theirs(connection);
  forget_if_over(connection);
}

void Session::deliver_held_back() {
  for (std::size_t left = held_back_.size(); left > 0; --left) {
    if (reply_bytes_ > context_.config.session_credit_bytes) return;
    Connection* connection = connections_.find(held_back_.pop_front(), false);
    if (connection == nullptr) continue;
    connection->is_held_back = false;
    deliver(*connection);
  }
}

void Session::finish_theirs(Connection& connection) {
  if (connection.is_closed || !connection.has_received_all()) return;
  if (connection.receive.next_message() != 0) context_.emit(ConnectionClosed{terms_.peer, connection.id});
  // What has begun must end, because it was charged to the peer's credit; the rest has no reader.
  change_send(connection, [this](SendQueue& queue) { unsent_bytes_ -= queue.drop_unsent(); });
  connection.is_closed = true;
  connection.is_close_due = true;
  notice(connection);
}

bool Session::apply_close(const wire::CloseFrame& frame, const Arrival& arrival) {
  bool is_violation = false;
  Connection* connection = frame.direction == wire::Direction::kRequest ? accept(frame.connection, is_violation)
                                                                        : connections_.find(frame.connection, true);
  if (connection == nullptr) return !is_violation;
  if (connection->peer_end) return *connection->peer_end == frame.messages;
  connection->peer_end = frame.messages;
  follow_policy(*connection, frame, arrival);
  deliver(*connection);
  return true;
}

void Session::apply_credit(const wire::CreditFrame& frame) {
  if (frame.connection == 0) {
    if (send_credit_.raise(frame.limit_bytes)) scheduler_.on_session_credit();
    return;
  }
  // Replies are allowed by whoever opened the connection.
  Connection* connection = connections_.find(frame.connection, frame.direction == wire::Direction::kRequest);
  if (connection != nullptr && connection->send.credit().raise(frame.limit_bytes)) press(*connection);
}

bool Session::apply_ack(const wire::AckFrame& frame, Instant now) {
  if (frame.path >= paths_.size()) return false;
  Path& path = *paths_[frame.path];
  bool is_progress = false;
  if (!path.sent.on_ack(frame, now, path.rtt, path.congestion, *this, is_progress)) return false;
  path.learn_size(now);
  if (!is_progress || !path.monitor.is_usable()) return true;
  path.monitor.on_confirmed(now, true);
  report_change(context_, terms_.peer, path);
  path.timeouts = 0;
  path.timeout_base = now;
  path.rescue_packets = 0;
  return true;
}

}  // namespace qnet::core
