// SPDX-License-Identifier: Apache-2.0
//
// clock.hpp: what is a moment and a span of time?
//
// The engine never asks for the time: it is told. Only the agent's shell and the tests know a clock.
#pragma once

#include <chrono>

namespace qnet {

using Duration = std::chrono::nanoseconds;
/// CLOCK_MONOTONIC in the agent, virtual time in the simulator.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

}  // namespace qnet
