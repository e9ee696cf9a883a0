// SPDX-License-Identifier: Apache-2.0
//
// withdrawn_requests.hpp: which requests must not be executed if they still come?
//
// Who was told that a call failed because its only link was lost may have acted on that. The request can lie in a queue
// until the link is back; a Cancel that goes by another link arrives first and is remembered here. So is every other
// Cancel that comes too late, which does no harm: numbers of requests never come again.
//
// Threads:  the strand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "agent/exec/executor.hpp"

namespace qnet::agent {

class WithdrawnRequests {
 public:
  /// Remembered for each client, the latest: more than one node's programs have in flight on one link.
  static constexpr std::size_t kRequestsMax = 1024;

  void add(exec::ClientId client, std::uint64_t request) {
    std::deque<std::uint64_t>& requests = clients_[client];
    requests.push_back(request);
    if (requests.size() > kRequestsMax) requests.pop_front();
  }
  bool contains(exec::ClientId client, std::uint64_t request) const {
    const auto found = clients_.find(client);
    return found != clients_.end() && std::ranges::find(found->second, request) != found->second.end();
  }
  void drop_client(exec::ClientId client) { clients_.erase(client); }

 private:
  std::unordered_map<exec::ClientId, std::deque<std::uint64_t>> clients_;
};

}  // namespace qnet::agent
