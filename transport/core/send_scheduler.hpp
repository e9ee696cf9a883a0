// SPDX-License-Identifier: Apache-2.0
//
// send_scheduler.hpp: whose turn is it to put a piece into the next packet?
//
// Connections with something to send stand in one of two queues: messages up to kUrgentBytesMax before everything
// else, the rest in turns of kTurnBytes. A third holds those that wait for credit of the session.
#pragma once

#include "transport/core/connection.hpp"

namespace qnet::core {

class SendScheduler {
 public:
  static constexpr std::size_t kUrgentBytesMax = 4 << 10;
  static constexpr std::size_t kTurnBytes = 64 << 10;

  bool empty() const { return urgent_.head == nullptr && bulk_.head == nullptr; }
  /// May have something to send: it gets a turn unless it already waits for one.
  void enqueue(Connection& connection);
  /// The next piece to go and its connection; null when nobody may send. Stays until on_sent().
  Connection* next(const SendCredit& session, SendQueue::Piece& piece);
  void on_sent(Connection& connection, std::size_t bytes);
  void on_session_credit();
  void remove(Connection& connection);

 private:
  struct List {
    Connection* head = nullptr;
    Connection* tail = nullptr;
  };

  List& list_of(Connection::Turn turn);
  void append(Connection& connection, Connection::Turn turn);

  List urgent_;
  List bulk_;
  List parked_;
};

}  // namespace qnet::core
