// SPDX-License-Identifier: Apache-2.0
//
// send_scheduler.hpp: whose turn is it to put a piece into the next packet?
//
// Connections with something to send stand in one of two queues of their lane (their policy): messages up to
// kUrgentBytesMax before everything else, the rest in turns of kTurnBytes. In each queue the priority of the message
// decides, with turns for the lower ones (priority.hpp); among equals it goes round. A further queue holds those that
// wait for credit of the session.
// Not here: which lane a path serves next (session_send.cpp).
#pragma once

#include <array>

#include "transport/base/priority.hpp"
#include "transport/core/connection.hpp"

namespace qnet::core {

class SendScheduler {
 public:
  static constexpr std::size_t kUrgentBytesMax = 4 << 10;
  static constexpr std::size_t kTurnBytes = 64 << 10;

  /// Lanes in which somebody may have something to send.
  Lanes ready() const { return ready_; }
  /// Those of them in which it may be urgent.
  Lanes urgent() const { return urgent_; }
  /// Of these lanes those whose next has the highest priority; those in which nobody waits count as the highest.
  Lanes foremost(Lanes lanes) const;
  /// May have something to send: it gets a turn unless it already waits for one.
  void enqueue(Connection& connection);
  /// The next piece to go and its connection; null when nobody in the lane may send. Stays until on_sent().
  Connection* next(Lane lane, const SendCredit& session, SendQueue::Piece& piece);
  void on_sent(Connection& connection, std::size_t bytes);
  void on_session_credit();
  void remove(Connection& connection);

 private:
  struct List {
    Connection* head = nullptr;
    Connection* tail = nullptr;
  };
  struct Queue {
    std::array<List, kPriorityLevels> levels;
    PriorityTurns turns;
    Connection* head() const { return turns.empty() ? nullptr : levels[turns.next()].head; }
  };
  struct Queues {
    Queue urgent, bulk;
    const Queue& first() const { return urgent.turns.empty() ? bulk : urgent; }
  };

  Queue& queue_of(const Connection& connection);
  List& list_of(const Connection& connection);
  void append(Connection& connection, Connection::Turn turn, unsigned level);
  void mark(const Connection& connection);

  std::array<Queues, kLanes> lanes_;
  List parked_;
  Lanes ready_ = 0;
  Lanes urgent_ = 0;
};

}  // namespace qnet::core
