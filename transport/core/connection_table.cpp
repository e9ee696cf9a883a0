// SPDX-License-Identifier: Apache-2.0
#include "transport/core/connection_table.hpp"

#include <algorithm>
#include <utility>

namespace qnet::core {

Connection* ConnectionTable::open_own(SendCredit send, ReceiveCredit receive) {
  if (own_open_ >= connections_max_ || own_.size() >= lingering_max() || next_own_id_ == UINT32_MAX) return nullptr;
  auto connection = std::make_unique<Connection>();
  connection->id = ConnectionId{next_own_id_++};
  connection->is_own = true;
  connection->send = SendQueue(send);
  connection->receive = ReceiveQueue(receive);
  ++own_open_;
  const std::uint32_t id = connection->id.value;
  return own_.insert(id, std::move(connection)).get();
}

Connection* ConnectionTable::find_or_accept(std::uint32_t id, SendCredit send, ReceiveCredit receive,
                                            bool& is_violation) {
  is_violation = false;
  if (Connection* found = find(id, false)) return found;
  if (seen_.contains(id)) return nullptr;
  const bool is_too_far = id == UINT32_MAX || id > seen_largest_ + lingering_max();
  if (is_too_far || theirs_.size() >= lingering_max() || seen_.count() > lingering_max()) {
    is_violation = true;
    return nullptr;
  }
  seen_.insert(id, id + 1);
  seen_largest_ = std::max(seen_largest_, id);
  auto connection = std::make_unique<Connection>();
  connection->id = ConnectionId{id};
  connection->send = SendQueue(send);
  connection->receive = ReceiveQueue(receive);
  return theirs_.insert(id, std::move(connection)).get();
}

Connection* ConnectionTable::find(std::uint32_t id, bool is_own) {
  if (latest_ != nullptr && latest_->id.value == id && latest_->is_own == is_own) return latest_;
  std::unique_ptr<Connection>* found = (is_own ? own_ : theirs_).find(id);
  if (found == nullptr) return nullptr;
  latest_ = found->get();
  return latest_;
}

void ConnectionTable::erase(Connection& connection) {
  latest_ = nullptr;
  (connection.is_own ? own_ : theirs_).erase(connection.id.value);
}

}  // namespace qnet::core
