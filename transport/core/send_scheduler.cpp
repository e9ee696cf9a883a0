// SPDX-License-Identifier: Apache-2.0
#include "transport/core/send_scheduler.hpp"

#include <algorithm>
#include <bit>

namespace qnet::core {

using Turn = Connection::Turn;

SendScheduler::Queue& SendScheduler::queue_of(const Connection& connection) {
  Queues& queues = lanes_[lane_of(connection.policy)];
  return connection.turn == Turn::kUrgent ? queues.urgent : queues.bulk;
}

SendScheduler::List& SendScheduler::list_of(const Connection& connection) {
  return connection.turn == Turn::kNoSessionCredit ? parked_ : queue_of(connection).levels[connection.level];
}

/// After a change of its list.
void SendScheduler::mark(const Connection& connection) {
  if (connection.turn == Turn::kNoSessionCredit) return;
  queue_of(connection).turns.set_waiting(connection.level, list_of(connection).head != nullptr);
  const Lane lane = lane_of(connection.policy);
  const Lanes bit = Lanes{1} << lane;
  const bool is_urgent = !lanes_[lane].urgent.turns.empty();
  const bool is_ready = is_urgent || !lanes_[lane].bulk.turns.empty();
  urgent_ = is_urgent ? urgent_ | bit : urgent_ & ~bit;
  ready_ = is_ready ? ready_ | bit : ready_ & ~bit;
}

void SendScheduler::append(Connection& connection, Turn turn, unsigned level) {
  connection.turn = turn;
  connection.level = level;
  connection.turn_bytes = 0;
  List& list = list_of(connection);
  connection.next = nullptr;
  connection.previous = list.tail;
  (list.tail == nullptr ? list.head : list.tail->next) = &connection;
  list.tail = &connection;
  mark(connection);
}

void SendScheduler::remove(Connection& connection) {
  if (connection.turn == Turn::kNone) return;
  // Whoever has sent has had a turn, were it a short one.
  const bool is_parked = connection.turn == Turn::kNoSessionCredit;
  if (!is_parked && connection.turn_bytes > 0) queue_of(connection).turns.on_served(connection.level);
  List& list = list_of(connection);
  (connection.previous == nullptr ? list.head : connection.previous->next) = connection.next;
  (connection.next == nullptr ? list.tail : connection.next->previous) = connection.previous;
  connection.next = connection.previous = nullptr;
  mark(connection);
  connection.turn = Turn::kNone;
}

void SendScheduler::enqueue(Connection& connection) {
  if (connection.turn == Turn::kUrgent || connection.turn == Turn::kBulk) return;
  remove(connection);  // Parked: a lost piece needs no credit.
  // next() knows better, when it looks.
  append(connection, Turn::kUrgent, level_of(connection.send.next_priority()));
}

Lanes SendScheduler::foremost(Lanes lanes) const {
  if (std::has_single_bit(lanes)) return lanes;
  Lanes found = 0;
  unsigned highest = 0;
  for (Lanes left = lanes; left != 0; left &= left - 1) {
    const auto lane = static_cast<Lane>(std::countr_zero(left));
    const PriorityTurns& turns = lanes_[lane].first().turns;
    const unsigned level = turns.empty() ? kPriorityLevels : turns.highest();
    if (level > highest) found = 0;
    highest = std::max(highest, level);
    if (level == highest) found |= Lanes{1} << lane;
  }
  return found;
}

Connection* SendScheduler::next(Lane lane, const SendCredit& session, SendQueue::Piece& piece) {
  const Queues& queues = lanes_[lane];
  for (;;) {
    Connection* connection = queues.first().head();
    if (connection == nullptr) return nullptr;
    switch (connection->send.next_piece(session, piece)) {
      case SendQueue::Next::kNothing:
        remove(*connection);
        continue;
      case SendQueue::Next::kNeedsSessionCredit:
        remove(*connection);
        append(*connection, Turn::kNoSessionCredit, connection->level);
        continue;
      case SendQueue::Next::kPiece:
        break;
    }
    const Turn turn = piece.total <= kUrgentBytesMax ? Turn::kUrgent : Turn::kBulk;
    const unsigned level = level_of(piece.priority);
    if (turn == connection->turn && level == connection->level) return connection;
    remove(*connection);
    append(*connection, turn, level);
  }
}

void SendScheduler::on_sent(Connection& connection, std::size_t bytes) {
  connection.turn_bytes += bytes;
  if (connection.turn == Turn::kBulk && connection.turn_bytes < kTurnBytes) return;
  const Turn turn = connection.turn;
  remove(connection);
  append(connection, turn, level_of(connection.send.next_priority()));
}

void SendScheduler::on_session_credit() {
  while (parked_.head != nullptr) {
    Connection& connection = *parked_.head;
    remove(connection);
    append(connection, Turn::kBulk, connection.level);
  }
}

}  // namespace qnet::core
