// SPDX-License-Identifier: Apache-2.0
//
// sim_workload.hpp: what do the nodes of a simulation do, and which promises must hold meanwhile?
//
// Every node calls every other on a few connections. A call's number, its size and every byte of it follow from one
// identity, so that whoever receives it can check it. Broken promises are collected as sentences:
//   (a) a request runs at most once, and exactly once if its caller saw success
//   (b) requests of one connection arrive in the order in which they were sent, without holes
//   (c) every byte is what was sent
//   (d) what an exclusive connection carries, in either direction, is on its link (data, credit and ends)
//   (e) every call ends: soon if the peer is reachable by a permitted link, with an error in kErrorWithin if it is not
//   (f) a request comes from a life of its sender that is up and not gone, so that what it opens is closed with that
//   life (g) what an engine holds is bounded, and back to nothing when all is quiet
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/sim/sim_network.hpp"

namespace qnet::sim {

struct WorkloadOptions {
  std::size_t connections = 2;  // per pair and direction
  std::size_t depth = 2;        // calls outstanding per connection
  double bulk_share = 0.03;
  std::size_t small_bytes_max = 2000;
  std::size_t bulk_bytes_max = 200'000;
  Duration think_max = std::chrono::milliseconds(20);
  Duration work_max = std::chrono::milliseconds(2);
  bool has_policies = false;   // half of the connections choose their links
  double close_share = 0.02;   // close the connection after a call and open another
  bool must_not_fail = false;  // the faults are harmless enough that no call may fail
};

class SimWorkload final : public Application {
 public:
  static constexpr Duration kErrorWithin = std::chrono::seconds(1);
  static constexpr Duration kSuccessWithin = std::chrono::seconds(20);
  static constexpr std::size_t kViolationsMax = 10;

  SimWorkload(WorkloadOptions options, NetworkOptions network);

  SimNetwork& network() { return network_; }
  void start();
  /// No new calls from now on.
  void stop() { is_stopping_ = true; }
  /// After stop(), when everything has ended.
  void resume();
  void check_liveness();
  void check_holdings();
  /// After the faults have ended and everything is answered: no engine holds anything but open connections.
  void check_quiet();
  std::size_t calls_outstanding() const { return calls_.size(); }
  std::uint64_t succeeded() const { return succeeded_; }
  std::uint64_t failed() const { return failed_; }
  std::uint64_t peers_lost() const { return peers_lost_; }
  bool is_everybody_up();
  /// Every link between all nodes is usable in both directions, as the nodes see it.
  bool is_every_link_up();
  const std::vector<std::string>& violations() const { return violations_; }

  void on_event(std::size_t node, core::Event& event) override;
  void on_crash(std::size_t node) override;
  void on_carried(std::size_t source, std::size_t target, std::size_t link, ByteView datagram) override;

 private:
  struct Client {  // one connection slot of `node` to `peer`
    std::size_t node = 0;
    std::size_t peer = 0;
    ConnectionId connection;  // none: not open
    std::optional<std::size_t> only_link;
    Incarnation incarnation;
    std::uint64_t run = 0;  // changes whenever the connection does
    std::uint32_t sent = 0;
    std::size_t outstanding = 0;
  };
  struct Call {
    std::size_t client = 0;
    std::uint64_t run = 0;
    std::optional<std::size_t> only_link;
    Instant since;  // start, or the last moment at which the peer could be reached
    Instant started;
    bool was_reachable = true;
  };
  /// A connection, by who opened it, to whom, and its number.
  struct Stream {
    std::size_t opener = 0;
    std::size_t other = 0;
    std::uint32_t connection = 0;
    auto operator<=>(const Stream&) const = default;
  };
  struct OnlyLink {
    std::size_t link = 0;
    Incarnation opener, other;  // the lives that it joins: numbers come again in others
  };
  /// What a server has seen of one connection.
  using Served = std::map<std::uint64_t, std::uint32_t>;  // run → messages

  void check_link(const Stream& stream, std::size_t link);
  void think(std::size_t client);
  void call(std::size_t client);
  void finish(std::uint64_t number, bool is_success);
  void fail_calls(std::size_t node, std::size_t peer);
  template <class Condition>
  void fail_calls_if(Condition&& condition);
  Status open(Client& client, PeerId peer);
  void on_connection_lost(std::size_t node, const core::ConnectionLost& lost);
  bool is_reachable(const Client& client, const Call& call) const;
  void forget_connections(std::size_t node, std::size_t peer, bool with_close);
  void on_request(std::size_t node, core::MessageArrived& message);
  void on_reply(std::size_t node, core::MessageArrived& message);
  std::size_t connections_open(std::size_t node) const;
  void complain(const std::string& what);

  WorkloadOptions options_;
  SimNetwork network_;
  std::vector<Client> clients_;
  std::unordered_map<std::uint64_t, Call> calls_;  // outstanding, by number
  std::unordered_map<std::uint64_t, int> executions_;
  std::vector<Served> served_;                             // by node
  std::vector<std::map<std::size_t, Incarnation>> lives_;  // by node and peer: up, and not gone since
  std::map<Stream, OnlyLink> only_links_;                  // of exclusive connections
  std::uint64_t next_number_ = 1;
  std::uint64_t next_run_ = 1;
  bool is_stopping_ = false;
  std::uint64_t succeeded_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t peers_lost_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace qnet::sim
