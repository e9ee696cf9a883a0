// SPDX-License-Identifier: Apache-2.0
//
// channel.hpp: how do one request and one reply cross the local socket?
//
// Gathers header, target, body and data into one sendmsg(2) and scatters the reply into the caller's memory with one
// recvmsg(2) in the common case. Raw system calls only, no state.
// Not here: which connection (connection_pool.hpp), what to do about errors (client.cpp).
#pragma once

#include "agent/client/client.hpp"

namespace qnet::client {

/// A pooled connection's descriptor may be moved while a call waits on it (vacate()), so it is asked for each time.
class Socket {
 public:
  virtual int fd() const = 0;

 protected:
  ~Socket() = default;
};

struct OutgoingRequest {
  wire::RequestHeader header;  ///< size_bytes is filled in here
  std::string_view target;     ///< at most kTargetBytesMax bytes
  ByteView body;
  std::span<const iovec> data;
  int send_fd = -1;
};

/// Errors: the errno of sendmsg(2), after which the agent cannot have got the whole request: the connection is spoilt.
Status send_request(const Socket& socket, const OutgoingRequest& request);

struct IncomingReply {
  wire::ReplyHeader header;
  std::size_t body_bytes = 0;  ///< in body, 0 when data was given and there was no error
  std::size_t data_bytes = 0;  ///< in data
  int fd = -1;                 ///< came with it; the caller owns it
  bool lost_fd = false;        ///< one came, but this process has no number free for it
};

/// Told each time a signal handler interrupts the wait.
class OnInterrupt {
 public:
  virtual void interrupted() = 0;

 protected:
  ~OnInterrupt() = default;
};

/// Waits for the whole reply. With `data`, what follows the header goes there instead of to `body`.
/// Errors: the errno of recvmsg(2); ECONNRESET: the agent closed the connection; EPROTO: no reply of ours. In any case
/// the connection is spoilt.
Result<IncomingReply> receive_reply(const Socket& socket, MutableBytes body, std::span<const iovec> data,
                                    bool close_on_exec, OnInterrupt& on_interrupt);

}  // namespace qnet::client
