// SPDX-License-Identifier: Apache-2.0
//
// agent_ops.hpp: what does the local agent answer itself? These messages never leave the node.
#pragma once

#include "transport/wire/file_ops.hpp"

namespace qnet::wire {

/// Gives up a request that is still waiting on the same connection: a signal arrived. Has no reply of its own; the
/// request is answered as always, with EINTR if it had done nothing yet.
struct CancelRequest {
  std::uint64_t request = 0;
  QNET_FIELDS(request)
};
using CancelReply = Empty;

/// Comes with the descriptor itself (SCM_RIGHTS): shows that this process holds what another one opened.
using AdoptHandleRequest = Empty;
using AdoptHandleReply = Empty;

/// Makes a deleted directory whose path ends with `path`; the reply carries an O_PATH descriptor of it. The library
/// makes it the kernel's working directory, so that stray relative names find nothing and /proc/self/cwd tells every
/// later program where it is. The request's handle, whose descriptor comes along, is the owner's directory: it stays
/// open as long as a process is in there. None for the list of nodes.
struct EnterDirectoryRequest {
  std::string_view path;  // virtual: "/net/b/etc"
  QNET_FIELDS(path)
  bool is_plausible() const { return is_path(path) && path.starts_with('/'); }
};
using EnterDirectoryReply = Empty;
/// The directories lie below <socket>.d/.qnet-cwd/<handle>/; decimal, 0 for none.
inline constexpr std::string_view kWorkingDirectoryMark = "/.qnet-cwd/";

/// The known nodes, the own one included: NodeEntry, one behind the other.
using ListNodesRequest = Empty;
struct ListNodesReply {
  Tail entries;
  QNET_FIELDS(entries)
};
enum class NodeState : std::uint8_t { kSelf = 0, kUp = 1, kDown = 2 };
struct NodeEntry {
  std::uint8_t state = 0;         // NodeState
  std::uint64_t incarnation = 0;  // 0: never seen
  std::int64_t since_s = 0;       // CLOCK_REALTIME of the last change of state
  std::string_view name;
  std::string_view reason;  // why it is down; empty otherwise
  QNET_FIELDS(state, incarnation, since_s, name, reason)
};

/// Gives a descriptor of the handle on which the kernel itself works (FUSE). Comes with the application's descriptor
/// (SCM_RIGHTS), which the new one keeps, and shares its offset; the reply carries the new one. Errors: EOPNOTSUPP
/// without FUSE, EISDIR, EBADF for what is no file.
using GetKernelDescriptorRequest = Empty;
using GetKernelDescriptorReply = Empty;

/// Every way to every peer: LinkEntry, one behind the other.
using ListLinksRequest = Empty;
struct ListLinksReply {
  Tail entries;
  QNET_FIELDS(entries)
};
struct LinkEntry {
  std::int64_t since_us = 0;        // CLOCK_REALTIME of the last change of state
  std::uint32_t hold_ms = 0;        // a link that has failed must answer for so long; 0 while it is used
  std::uint8_t has_round_trip = 0;  // measured at least once
  std::uint32_t round_trip_us = 0, variation_us = 0;
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::uint64_t packets_sent = 0, frames_lost = 0;  // of the present session
  std::uint64_t bytes_per_second = 0;               // delivered lately; 0: unknown
  std::uint64_t in_flight_bytes = 0, in_flight_bytes_max = 0;
  std::uint64_t backlog_bytes = 0;  // waits for the link's socket, to whichever peer
  std::uint64_t unsent_bytes = 0;   // waits for any link to this peer
  std::uint64_t downs = 0;          // how often it went down
  std::string_view peer, link, address;
  std::string_view state;   // "up", "suspect", "down", "probing"
  std::string_view reason;  // why it is not up; empty if it is
  QNET_FIELDS(since_us, hold_ms, has_round_trip, round_trip_us, variation_us, bytes_sent, bytes_received, packets_sent,
              frames_lost, bytes_per_second, in_flight_bytes, in_flight_bytes_max, backlog_bytes, unsent_bytes, downs,
              peer, link, address, state, reason)
};

/// What has happened to links and peers: EventEntry, one behind the other, oldest first; those behind number `after`.
/// Waits until there is one. What is older than the last some thousand is gone: the numbers tell how many were missed.
struct NextEventsRequest {
  std::uint64_t after = 0;  // kEventsFromNow: whatever comes next
  QNET_FIELDS(after)
};
inline constexpr std::uint64_t kEventsFromNow = UINT64_MAX;
struct NextEventsReply {
  Tail entries;
  QNET_FIELDS(entries)
};
struct EventEntry {
  std::uint64_t number = 0;   // from 1, without holes
  std::int64_t time_us = 0;   // CLOCK_REALTIME
  std::string_view subject;   // "link", "peer", "session"
  std::string_view happened;  // "up", "down", "lost" …
  std::string_view peer, link, address;
  std::string_view reason;  // empty if none is known
  QNET_FIELDS(number, time_us, subject, happened, peer, link, address, reason)
};

/// Counters as one JSON object of objects of integers.
using GetStatisticsRequest = Empty;
struct GetStatisticsReply {
  Tail json;
  QNET_FIELDS(json)
};

}  // namespace qnet::wire
