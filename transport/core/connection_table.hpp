// SPDX-License-Identifier: Apache-2.0
//
// connection_table.hpp: which connections does a session have, and which numbers are used up?
#pragma once

#include <cstdint>
#include <memory>

#include "transport/core/connection.hpp"
#include "transport/core/flat_map.hpp"
#include "transport/core/interval_set.hpp"

namespace qnet::core {

class ConnectionTable {
 public:
  /// `connections_max` per opener. As many again may linger while their end is being acknowledged.
  explicit ConnectionTable(std::size_t connections_max) : connections_max_(connections_max) {}

  /// Null when there are too many.
  Connection* open_own(SendCredit send, ReceiveCredit receive);
  /// The peer speaks of a connection that it opened. Null and `is_violation` false: it is over long since.
  Connection* find_or_accept(std::uint32_t id, SendCredit send, ReceiveCredit receive, bool& is_violation);
  Connection* find(std::uint32_t id, bool is_own);
  void erase(Connection& connection);
  /// An own connection has been closed here; it does not count any more.
  void on_own_closed() { --own_open_; }
  std::size_t own_open() const { return own_open_; }
  /// Of both sides, lingering ones included.
  std::size_t size() const { return own_.size() + theirs_.size(); }
  template <class Function>
  void for_each(Function&& function) {
    own_.for_each([&function](const std::unique_ptr<Connection>& connection) { function(*connection); });
    theirs_.for_each([&function](const std::unique_ptr<Connection>& connection) { function(*connection); });
  }

 private:
  using Map = FlatMap<std::unique_ptr<Connection>>;

  std::size_t connections_max_;
  /// Gaps among the numbers that the peer has used; an honest one leaves one only where a packet is late.
  std::size_t lingering_max() const { return 2 * connections_max_; }

  Map own_;
  Map theirs_;
  std::size_t own_open_ = 0;
  std::uint32_t next_own_id_ = 1;
  IntervalSet<std::uint32_t> seen_;  // numbers that the peer has used
  std::uint32_t seen_largest_ = 0;
  Connection* latest_ = nullptr;  // packets come in runs
};

}  // namespace qnet::core
