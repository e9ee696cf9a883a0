// SPDX-License-Identifier: Apache-2.0
//
// interface_mtu.hpp: how large a packet does the interface behind an address carry?
#pragma once

#include <cstddef>

#include "transport/core/address.hpp"

namespace qnet::link {

/// What Ethernet carries; the answer where no interface is known.
inline constexpr std::size_t kMtuDefault = 1500;

/// MTU in bytes of the interface that has `address`, or whose network holds it. For 0.0.0.0 and :: the smallest of all
/// interfaces that are up, loopback left aside. Never fails: kMtuDefault when nothing is known.
std::size_t interface_mtu(const core::Address& address);

}  // namespace qnet::link
