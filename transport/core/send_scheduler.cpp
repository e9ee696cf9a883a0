// SPDX-License-Identifier: Apache-2.0
#include "transport/core/send_scheduler.hpp"

namespace qnet::core {

using Turn = Connection::Turn;

SendScheduler::List& SendScheduler::list_of(const Connection& connection, Turn turn) {
  if (turn == Turn::kNoSessionCredit) return parked_;
  Queues& queues = lanes_[lane_of(connection.policy)];
  return turn == Turn::kUrgent ? queues.urgent : queues.bulk;
}

void SendScheduler::mark(Lane lane) {
  const Lanes bit = Lanes{1} << lane;
  const bool is_urgent = lanes_[lane].urgent.head != nullptr;
  const bool is_ready = is_urgent || lanes_[lane].bulk.head != nullptr;
  urgent_ = is_urgent ? urgent_ | bit : urgent_ & ~bit;
  ready_ = is_ready ? ready_ | bit : ready_ & ~bit;
}

void SendScheduler::append(Connection& connection, Turn turn) {
  List& list = list_of(connection, turn);
  connection.turn = turn;
  connection.turn_bytes = 0;
  connection.next = nullptr;
  connection.previous = list.tail;
  (list.tail == nullptr ? list.head : list.tail->next) = &connection;
  list.tail = &connection;
  mark(lane_of(connection.policy));
}

void SendScheduler::remove(Connection& connection) {
  if (connection.turn == Turn::kNone) return;
  List& list = list_of(connection, connection.turn);
  (connection.previous == nullptr ? list.head : connection.previous->next) = connection.next;
  (connection.next == nullptr ? list.tail : connection.next->previous) = connection.previous;
  connection.next = connection.previous = nullptr;
  connection.turn = Turn::kNone;
  mark(lane_of(connection.policy));
}

void SendScheduler::enqueue(Connection& connection) {
  if (connection.turn == Turn::kUrgent || connection.turn == Turn::kBulk) return;
  remove(connection);                 // Parked: a lost piece needs no credit.
  append(connection, Turn::kUrgent);  // next() knows better, when it looks.
}

Connection* SendScheduler::next(Lane lane, const SendCredit& session, SendQueue::Piece& piece) {
  const Queues& queues = lanes_[lane];
  for (;;) {
    Connection* connection = queues.urgent.head != nullptr ? queues.urgent.head : queues.bulk.head;
    if (connection == nullptr) return nullptr;
    switch (connection->send.next_piece(session, piece)) {
      case SendQueue::Next::kNothing:
        remove(*connection);
        continue;
      case SendQueue::Next::kNeedsSessionCredit:
        remove(*connection);
        append(*connection, Turn::kNoSessionCredit);
        continue;
      case SendQueue::Next::kPiece:
        break;
    }
    const Turn turn = piece.total <= kUrgentBytesMax ? Turn::kUrgent : Turn::kBulk;
    if (turn == connection->turn) return connection;
    remove(*connection);
    append(*connection, turn);
  }
}

void SendScheduler::on_sent(Connection& connection, std::size_t bytes) {
  connection.turn_bytes += bytes;
  if (connection.turn == Turn::kBulk && connection.turn_bytes < kTurnBytes) return;
  const Turn turn = connection.turn;
  remove(connection);
  append(connection, turn);
}

void SendScheduler::on_session_credit() {
  while (parked_.head != nullptr) {
    Connection& connection = *parked_.head;
    remove(connection);
    append(connection, Turn::kBulk);
  }
}

}  // namespace qnet::core
