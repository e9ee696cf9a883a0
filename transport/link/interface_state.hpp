// SPDX-License-Identifier: Apache-2.0
//
// interface_state.hpp: is an address on this machine, does its interface work, and how large a packet does it carry?
//
// Not here: who asks when (link_driver.hpp); news of changes (interface_news.hpp).
#pragma once

#include <cstddef>

#include "transport/core/address.hpp"
#include "transport/core/link_properties.hpp"

namespace qnet::link {

/// What Ethernet carries; the answer where no interface is known.
inline constexpr std::size_t kMtuDefault = 1500;

struct InterfaceState {
  core::LinkFault fault = core::LinkFault::kNone;
  std::size_t mtu_bytes = kMtuDefault;
};

/// Of the interface that has `address`, or whose network holds it. For 0.0.0.0 and ::, which cannot be lost, the MTU is
/// the smallest of all interfaces that are up, loopback left aside. Never fails: no fault and kMtuDefault when nothing
/// is known.
InterfaceState interface_state(const core::Address& address);

}  // namespace qnet::link
