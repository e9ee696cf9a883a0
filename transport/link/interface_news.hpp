// SPDX-License-Identifier: Apache-2.0
//
// interface_news.hpp: has anything changed about this machine's interfaces and addresses?
//
// An rtnetlink socket that says "look again": carrier, up and down, MTU, addresses that come and go. What exactly has
// changed is not told, because LinkDriver::condition() finds out anyway, and news may have been lost.
//
// Source: rtnetlink(7).
#pragma once

#include "transport/base/result.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::link {

class InterfaceNews {
 public:
  /// What socket(2) and bind(2) say.
  static Result<InterfaceNews> open();

  /// Becomes readable when there is news.
  int descriptor() const { return socket_.get(); }
  /// Reads all of it without waiting. True if anything may have changed.
  bool read();

 private:
  explicit InterfaceNews(UniqueFd socket) : socket_(std::move(socket)) {}

  UniqueFd socket_;
};

}  // namespace qnet::link
