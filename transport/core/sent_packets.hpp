// SPDX-License-Identifier: Apache-2.0
//
// sent_packets.hpp: what is on its way on one path, and what became of it?
//
// Remembers for each packet which frames it carried. An acknowledgement settles packets; a packet that was overtaken by
// kOvertakenAtFirst others, or by time, is lost, and its frames (not the packet) go out again. All of it is two rings
// of flat memory: nothing is allocated per packet.
//
// Source: transport.md 3.5 (RACK-style thresholds; the packet threshold rises when a loss turns out to be a delay).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "transport/base/clock.hpp"
#include "transport/core/congestion.hpp"
#include "transport/core/datagram_size.hpp"
#include "transport/core/ring_queue.hpp"
#include "transport/core/rtt_estimator.hpp"
#include "transport/wire/packet.hpp"

namespace qnet::core {

/// One frame that must be acknowledged. What it says beyond this is read from the state when it goes out again.
struct FrameRecord {
  wire::FrameType type = wire::FrameType::kPing;
  bool is_own = false;  // kData, kCredit, kClose: the connection was opened by us
  std::uint32_t connection = 0;
  std::uint32_t message = 0;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
};

/// Who owns the frames.
class FrameSink {
 public:
  virtual void on_frame_acked(const FrameRecord& frame) = 0;
  /// It has to go out again. May be called more than once for one frame.
  virtual void on_frame_lost(const FrameRecord& frame) = 0;

 protected:
  ~FrameSink() = default;
};

class SentPackets {
 public:
  static constexpr std::size_t kPacketsMax = 65536;  // unsettled at once
  static constexpr unsigned kOvertakenAtFirst = 3;
  static constexpr unsigned kOvertakenMax = 16;
  static constexpr std::size_t kLostRemembered = 32;
  static constexpr std::size_t kLostFramesMax = 4;
  static constexpr Duration kLostForgotten = std::chrono::milliseconds(500);

  std::uint64_t next_number() const { return next_number_; }
  bool is_full() const { return next_number_ - base_ >= kPacketsMax; }
  std::size_t unsettled() const { return next_number_ - base_; }
  /// Packets that must be acknowledged and neither are nor count as lost.
  std::size_t outstanding() const { return outstanding_; }

  /// Something is on its way besides probes.
  bool has_frames() const { return first_frame_ != frames_committed_; }

  /// Collects what the packet `next_number()` carries until commit() or rollback().
  void add_frame(const FrameRecord& frame);
  void rollback();
  void commit(std::size_t bytes, bool must_be_acked, Instant now, Congestion& congestion);

  /// False if it acknowledges what was never sent. `is_progress` tells whether it acknowledged anything new.
  bool on_ack(const wire::AckFrame& ack, Instant now, RttEstimator& rtt, Congestion& congestion, FrameSink& sink,
              bool& is_progress);
  void detect_losses(Instant now, const RttEstimator& rtt, Congestion& congestion, FrameSink& sink);
  /// When detect_losses() has something to do.
  std::optional<Instant> loss_time() const { return loss_time_; }
  /// Has the frames of the oldest packets sent again, without calling those lost. Returns how many packets' worth.
  std::size_t rescue_oldest(std::size_t packets_max, FrameSink& sink);
  /// The path is down: everything on it is lost.
  void abandon_all(Congestion& congestion, FrameSink& sink);
  /// What has been learnt about sizes since the last call.
  SizeNews take_size_news() { return std::exchange(size_news_, {}); }
  std::uint64_t frames_lost() const { return frames_lost_; }

 private:
  enum class State : std::uint8_t { kSettled, kOutstanding, kRescued };
  struct Packet {
    Instant sent_at{};
    std::uint64_t first_frame = 0;
    std::uint32_t bytes = 0;
    std::uint16_t frame_count = 0;
    State state = State::kSettled;
    Congestion::Stamp stamp;
  };
  struct LostPacket {
    std::uint64_t number = 0;
    Instant sent_at{};
    std::size_t frame_count = 0;
    std::array<FrameRecord, kLostFramesMax> frames{};
  };

  Packet& packet(std::uint64_t number) { return packets_[number & (packets_.size() - 1)]; }
  const FrameRecord& frame(std::uint64_t index) const { return frames_[index & (frames_.size() - 1)]; }
  void grow_packets();
  void grow_frames();
  void settle_front();
  void declare_lost(std::uint64_t number, Congestion& congestion, FrameSink& sink);
  void look_among_lost(const wire::AckFrame& ack, Instant now, FrameSink& sink);

  std::vector<Packet> packets_;      // ring, by number
  std::vector<FrameRecord> frames_;  // ring, by index
  std::uint64_t base_ = 1;           // everything below is settled
  std::uint64_t next_number_ = 1;
  std::uint64_t first_frame_ = 0;  // of packet base_
  std::uint64_t next_frame_ = 0;
  std::uint64_t frames_committed_ = 0;
  std::uint64_t largest_acked_ = 0;
  std::size_t outstanding_ = 0;
  std::optional<Instant> loss_time_;
  unsigned overtaken_ = kOvertakenAtFirst;
  RingQueue<LostPacket> lost_;  // lately, oldest first; they may turn out to be late
  std::uint64_t frames_lost_ = 0;
  SizeNews size_news_;
};

}  // namespace qnet::core
