// SPDX-License-Identifier: Apache-2.0
//
// sim_clock.hpp: what time is it in a test?
#pragma once

#include "transport/base/check.hpp"
#include "transport/base/clock.hpp"

namespace qnet::sim {

class SimClock {
 public:
  Instant now() const { return now_; }
  Instant advance(Duration by) { return now_ += by; }
  void advance_to(Instant when) {
    QNET_CHECK(when >= now_);
    now_ = when;
  }

 private:
  Instant now_{std::chrono::seconds(1000)};
};

}  // namespace qnet::sim
