// SPDX-License-Identifier: Apache-2.0
#include "transport/core/sent_packets.hpp"

#include <algorithm>

#include "transport/base/check.hpp"

namespace qnet::core {
namespace {

constexpr std::size_t kPacketsAtFirst = 64;
constexpr std::size_t kFramesAtFirst = 128;

bool covers(const wire::AckFrame& ack, std::uint64_t number) {
  std::uint64_t last = ack.largest;
  for (std::size_t i = 0; i < ack.range_count; ++i) {
    last -= ack.ranges[i].gap;
    if (number > last) return false;
    if (number > last - ack.ranges[i].length) return true;
    last -= ack.ranges[i].length;
  }
  return false;
}

}  // namespace

void SentPackets::add_frame(const FrameRecord& frame) {
  if (next_frame_ - first_frame_ >= frames_.size()) grow_frames();
  frames_[next_frame_ & (frames_.size() - 1)] = frame;
  ++next_frame_;
}

void SentPackets::rollback() {
  next_frame_ = frames_committed_;
}

void SentPackets::commit(std::size_t bytes, bool must_be_acked, Instant now, Congestion& congestion) {
  if (next_number_ - base_ >= packets_.size()) grow_packets();
  Packet& sent = packet(next_number_);
  sent.sent_at = now;
  sent.first_frame = frames_committed_;
  sent.frame_count = static_cast<std::uint16_t>(next_frame_ - frames_committed_);
  sent.bytes = static_cast<std::uint32_t>(bytes);
  sent.state = must_be_acked ? State::kOutstanding : State::kSettled;
  if (must_be_acked) {
    sent.stamp = congestion.on_sent(bytes, now);
    ++outstanding_;
  }
  frames_committed_ = next_frame_;
  ++next_number_;
  if (!must_be_acked) settle_front();
}

void SentPackets::grow_packets() {
  std::vector<Packet> larger(packets_.empty() ? kPacketsAtFirst : 2 * packets_.size());
  for (std::uint64_t n = base_; n < next_number_; ++n) larger[n & (larger.size() - 1)] = packet(n);
  packets_ = std::move(larger);
}

void SentPackets::grow_frames() {
  std::vector<FrameRecord> larger(frames_.empty() ? kFramesAtFirst : 2 * frames_.size());
  for (std::uint64_t i = first_frame_; i < next_frame_; ++i) larger[i & (larger.size() - 1)] = frame(i);
  frames_ = std::move(larger);
}

void SentPackets::settle_front() {
  while (base_ < next_number_ && packet(base_).state == State::kSettled) {
    first_frame_ = packet(base_).first_frame + packet(base_).frame_count;
    ++base_;
  }
}

bool SentPackets::on_ack(const wire::AckFrame& ack, Instant now, RttEstimator& rtt, Congestion& congestion,
                         FrameSink& sink, bool& is_progress) {
  is_progress = false;
  if (ack.largest >= next_number_) return false;
  if (!lost_.empty()) look_among_lost(ack, now, sink);
  std::uint64_t newest = 0;
  std::uint64_t last = ack.largest;
  for (std::size_t i = 0; i < ack.range_count; ++i) {
    last -= ack.ranges[i].gap;
    const std::uint64_t first = last - ack.ranges[i].length + 1;
    for (std::uint64_t n = std::max(first, base_); n <= last; ++n) {
      Packet& sent = packet(n);
      if (sent.state == State::kSettled) continue;
      sent.state = State::kSettled;
      --outstanding_;
      congestion.on_acked(sent.bytes);
      size_news_.acked_bytes = std::max<std::size_t>(size_news_.acked_bytes, sent.bytes);
      newest = std::max(newest, n);
      for (std::uint64_t f = 0; f < sent.frame_count; ++f) sink.on_frame_acked(frame(sent.first_frame + f));
    }
    last = first - 1;
    if (last < base_) break;
  }
  largest_acked_ = std::max(largest_acked_, ack.largest);
  if (newest != 0) {
    is_progress = true;
    const Packet sent = packet(newest);
    if (newest == ack.largest) {
      rtt.on_sample(now - sent.sent_at, std::chrono::microseconds(ack.delay_us), now);
    }
    congestion.on_sample(sent.stamp, sent.sent_at, rtt, now);
    settle_front();
  }
  detect_losses(now, rtt, congestion, sink);
  return true;
}

void SentPackets::look_among_lost(const wire::AckFrame& ack, Instant now, FrameSink& sink) {
  while (!lost_.empty() && lost_.front().sent_at + kLostForgotten < now) lost_.pop_front();
  for (std::size_t i = 0; i < lost_.size(); ++i) {
    LostPacket& lost = lost_[i];
    if (lost.number == 0 || !covers(ack, lost.number)) continue;
    // It was late, not lost: be more patient, and do not send its frames again if they still wait.
    const std::uint64_t behind = std::max(largest_acked_, lost.number) - lost.number;
    const auto patient = static_cast<unsigned>(std::min<std::uint64_t>(behind + 1, kOvertakenMax));
    overtaken_ = std::max(overtaken_, patient);
    for (std::size_t f = 0; f < lost.frame_count; ++f) sink.on_frame_acked(lost.frames[f]);
    lost.number = 0;
  }
}

void SentPackets::detect_losses(Instant now, const RttEstimator& rtt, Congestion& congestion, FrameSink& sink) {
  loss_time_.reset();
  if (outstanding_ == 0) return;
  const Duration patience = rtt.overtaken_after();
  for (std::uint64_t n = base_; n < largest_acked_; ++n) {
    const Packet& sent = packet(n);
    if (sent.state == State::kSettled) continue;
    if (n + overtaken_ <= largest_acked_ || sent.sent_at + patience <= now) {
      declare_lost(n, congestion, sink);
    } else if (!loss_time_) {
      loss_time_ = sent.sent_at + patience;
    }
  }
  settle_front();
}

void SentPackets::declare_lost(std::uint64_t number, Congestion& congestion, FrameSink& sink) {
  Packet& sent = packet(number);
  // A probe asks whether the path carries it: a "no" is not congestion.
  if (sent.frame_count == 0) congestion.on_abandoned(sent.bytes);
  else congestion.on_lost(sent.bytes);
  size_news_.lost_bytes = std::max<std::size_t>(size_news_.lost_bytes, sent.bytes);
  size_news_.lost_number = number;
  --outstanding_;
  if (lost_.size() == kLostRemembered) lost_.pop_front();
  LostPacket& lost = lost_.push_back({});
  lost.number = number;
  lost.sent_at = sent.sent_at;
  lost.frame_count = std::min<std::size_t>(sent.frame_count, kLostFramesMax);
  for (std::size_t f = 0; f < lost.frame_count; ++f) lost.frames[f] = frame(sent.first_frame + f);
  const bool is_rescued = sent.state == State::kRescued;
  sent.state = State::kSettled;
  frames_lost_ += sent.frame_count;
  if (is_rescued) return;
  for (std::uint64_t f = 0; f < sent.frame_count; ++f) sink.on_frame_lost(frame(sent.first_frame + f));
}

std::size_t SentPackets::rescue_oldest(std::size_t packets_max, FrameSink& sink) {
  std::size_t rescued = 0;
  for (std::uint64_t n = base_; n < next_number_ && rescued < packets_max; ++n) {
    Packet& sent = packet(n);
    if (sent.state != State::kOutstanding || sent.frame_count == 0) continue;
    sent.state = State::kRescued;
    ++rescued;
    for (std::uint64_t f = 0; f < sent.frame_count; ++f) sink.on_frame_lost(frame(sent.first_frame + f));
  }
  return rescued;
}

void SentPackets::abandon_all(Congestion& congestion, FrameSink& sink) {
  for (std::uint64_t n = base_; n < next_number_; ++n) {
    Packet& sent = packet(n);
    if (sent.state == State::kSettled) continue;
    congestion.on_abandoned(sent.bytes);
    --outstanding_;
    const bool is_rescued = sent.state == State::kRescued;
    sent.state = State::kSettled;
    if (is_rescued) continue;
    for (std::uint64_t f = 0; f < sent.frame_count; ++f) sink.on_frame_lost(frame(sent.first_frame + f));
  }
  loss_time_.reset();
  settle_front();
}

}  // namespace qnet::core
