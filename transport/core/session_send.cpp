// SPDX-License-Identifier: Apache-2.0
//
// session_send.cpp: what goes into the next packets, and on which path?
//
// Lane by lane: a path that the policy permits, and then a packet: acknowledgements and probes first, then notices
// (credit, close), then pieces of messages until it is full.
#include <algorithm>
#include <bit>

#include "transport/core/session.hpp"

namespace qnet::core {

bool Session::has_ack_due(Instant now, std::size_t path) const {
  for (std::size_t i = 0; i < acknowledgers_.size(); ++i) {
    const bool is_pending = (acks_pending_ >> i & 1) != 0;
    if (is_pending && acknowledgers_[i].arrival_path() == path && acknowledgers_[i].is_due(now)) return true;
  }
  return false;
}

/// May all that there is to send wait for company?
bool Session::lingers(Instant now) {
  if (!linger_until_) return false;
  const bool is_alone = noticed_ == 0 && !is_session_credit_due_ && scheduler_.ready() != 0;
  if (is_alone && now < *linger_until_) return true;
  linger_until_.reset();
  return false;
}

std::optional<Transmit> Session::next_transmit(MutableBytes staging, Instant now) {
  if (std::optional<Transmit> batch = send_signals(staging, now)) return batch;
  if (waiting_lanes() != 0 && !lingers(now)) {
    if (std::optional<Transmit> batch = send_lanes(staging, now)) return batch;
  }
  if (std::optional<Transmit> batch = send_copies(staging, now)) return batch;
  for (const auto& path : paths_) path->congestion.on_nothing_to_send();
  if (acks_pending_ == 0) return std::nullopt;
  for (const auto& path : paths_) {
    if (has_ack_due(now, path->id) && !path->sent.is_full()) return send_batch(*path, {}, staging, now);
  }
  return std::nullopt;
}

std::optional<Transmit> Session::send_signals(MutableBytes staging, Instant now) {
  for (const auto& path : paths_) {
    const bool is_wanted = path->wants_probe || path->wants_goodbye;
    if (is_wanted && !path->sent.is_full()) return send_batch(*path, {}, staging, now);
    path->wants_trial = path->wants_trial && path->datagram.trial_at();
    if (path->wants_trial && !path->sent.is_full()) return send_trial(*path, staging, now);
  }
  return std::nullopt;
}

/// What may be urgent first, then by priority; else the lanes take turns, and so that none starves they do so every
/// kPassedOverMax batches whatever their priority is.
std::optional<Transmit> Session::send_lanes(MutableBytes staging, Instant now) {
  const Lanes waiting = waiting_lanes();
  const Lanes first = waiting & ~(scheduler_.ready() & ~scheduler_.urgent());
  const bool is_by_turns = lanes_passed_over_ >= PriorityTurns::kPassedOverMax;
  for (Lanes left : {first, waiting & ~first}) {
    while (left != 0) {
      const Lanes foremost = is_by_turns ? left : scheduler_.foremost(left);
      const Lanes behind = foremost & ~((Lanes{2} << last_lane_) - 1);
      const auto lane = static_cast<Lane>(std::countr_zero(behind != 0 ? behind : foremost));
      const bool passes_others_over = foremost != left;
      left &= ~(Lanes{1} << lane);
      std::optional<Transmit> batch = send_lane(lane, staging, now);
      if (!batch) continue;
      last_lane_ = lane;
      lanes_passed_over_ = passes_others_over ? lanes_passed_over_ + 1 : 0;
      return batch;
    }
  }
  return std::nullopt;
}

std::optional<Transmit> Session::send_lane(Lane lane, MutableBytes staging, Instant now) {
  const Policy policy = policy_of(lane);
  const PathSet permitted = permitted_paths(paths_, policy, now);
  if (permitted == 0) return std::nullopt;
  Load load{.kind = Load::Kind::kLane, .lane = lane};
  const bool has_choice = !std::has_single_bit(permitted);
  Path& first = *paths_[static_cast<std::size_t>(std::countr_zero(permitted))];
  if (!has_choice && first.may_send()) return send_batch(first, load, staging, now);

  SendQueue::Piece piece;
  const bool has_piece = scheduler_.next(lane, send_credit_, piece) != nullptr;
  if (!has_piece && (noticed_ >> lane & 1) == 0 && (lane != 0 || !is_session_credit_due_)) return std::nullopt;
  if (has_piece && piece.total > SendScheduler::kUrgentBytesMax) {
    if (!has_choice) return std::nullopt;
    const PathChoice choice =
        choose_for_bulk(paths_, permitted, std::max<std::size_t>(unsent_bytes_, piece.bytes.size()));
    if (choice.path == nullptr) return std::nullopt;
    load.bytes_max = choice.bytes_max;
    return send_batch(*choice.path, load, staging, now);
  }
  Path* path = choose_for_small(paths_, permitted, piece.bytes.size(), last_path_[lane]);
  if (path == nullptr) return std::nullopt;
  last_path_[lane] = path;
  load.is_small_only = true;
  if (policy.kind == PolicyKind::kRedundant) load.second = choose_second(paths_, permitted, *path);
  return send_batch(*path, load, staging, now);
}

std::optional<Transmit> Session::send_copies(MutableBytes staging, Instant now) {
  for (const auto& path : paths_) {
    if (path->copies.empty() || !path->may_send_small()) continue;
    return send_batch(*path, {.kind = Load::Kind::kCopies}, staging, now);
  }
  return std::nullopt;
}

std::optional<Transmit> Session::send_batch(Path& path, const Load& load, MutableBytes staging, Instant now) {
  const std::size_t segment = path.datagram.bytes();
  const bool has_load = load.kind != Load::Kind::kNothing;
  const std::size_t segments_max =
      path.can_batch && has_load ? std::clamp<std::size_t>(kBatchBytesMax / segment, 1, kBatchSegmentsMax) : 1;
  Transmit batch{path.link, path.address, segment, {}};
  std::size_t filled = 0;
  for (std::size_t i = 0; i < segments_max; ++i) {
    const std::size_t bytes = write_packet(path, load, staging.subspan(filled, segment), now);
    if (bytes == 0) break;
    if (i == 0) batch.segment_bytes = bytes;
    filled += bytes;
    if (bytes != segment || filled >= load.bytes_max || !path.may_send()) break;
  }
  if (filled == 0) return std::nullopt;
  batch.datagrams = ByteView(staging.first(filled));
  return batch;
}

/// A probe made long with zeros behind the packet, and then a short one: when that is acknowledged first, the long one
/// is lost, without a probe timeout.
Transmit Session::send_trial(Path& path, MutableBytes staging, Instant now) {
  path.wants_probe = true;
  const MutableBytes room = staging.first(path.datagram.trial_bytes());
  write_packet(path, {.kind = Load::Kind::kTrial}, room, now);
  path.datagram.on_trial_sent();
  path.wants_trial = false;
  path.wants_probe = true;
  return {path.link, path.address, room.size(), room};
}

std::size_t Session::write_packet(Path& path, const Load& load, MutableBytes room, Instant now) {
  PacketContents contents;
  const std::size_t crc_bytes = path.has_crc ? wire::kCrcBytes : 0;
  const MutableBytes packet = room.first(room.size() - crc_bytes);
  if (acks_pending_ != 0) write_acks(path, packet, contents, now);
  write_signals(path, packet, contents);
  if (load.kind == Load::Kind::kLane) {
    write_notices(path, load.lane, packet, contents);
    write_data(path, load, packet, contents);
  } else if (load.kind == Load::Kind::kCopies) {
    write_copies(path, packet, contents);
  }
  if (contents.bytes == wire::PacketHeader::kBytes) {
    path.sent.rollback();
    return 0;
  }

  wire::PacketHeader header;
  header.version = terms_.version;
  header.session = terms_.token;
  header.number = path.sent.next_number();
  header.path = path.id;
  header.payload_bytes = static_cast<std::uint16_t>(contents.bytes - wire::PacketHeader::kBytes);
  header.timestamp_us = timestamp_us(now);
  if (contents.must_be_acked) {
    if (path.sent.outstanding() == 0) path.timeout_base = now;
    if (path.rescue_packets > 0) {
      --path.rescue_packets;
      header.flags |= wire::packet_flags::kAckNow;
    }
    path.monitor.on_sent(now, contents.is_probe, contents.is_probe ? context_.random() : 0);
  }
  const bool is_trial = load.kind == Load::Kind::kTrial;
  const std::size_t bytes = is_trial ? room.size() : contents.bytes + crc_bytes;
  std::ranges::fill(room.subspan(contents.bytes, bytes - contents.bytes), std::byte{0});
  path.sent.commit(bytes, contents.must_be_acked, now, path.congestion);
  path.bytes_sent += bytes;
  if (contents.is_probe) header.flags |= wire::packet_flags::kProbe | wire::packet_flags::kAckNow;
  // The last packet that fits under the cap asks for the answer that makes room.
  if (contents.must_be_acked && !path.congestion.can_send()) header.flags |= wire::packet_flags::kAckNow;
  if (path.has_crc) header.flags |= wire::packet_flags::kCrc;
  wire::encode_header(header, packet);
  if (path.has_crc) wire::put_crc(room, contents.bytes);
  return bytes;
}

void Session::write_acks(const Path& path, MutableBytes packet, PacketContents& contents, Instant now) {
  for (std::size_t i = 0; i < acknowledgers_.size(); ++i) {
    if ((acks_pending_ >> i & 1) == 0) continue;
    const Path& arrival = *paths_[acknowledgers_[i].arrival_path()];
    if (!arrival.monitor.is_usable() && &arrival != &path) continue;
    const wire::AckFrame frame = acknowledgers_[i].frame(static_cast<std::uint8_t>(i), now);
    if (packet.size() - contents.bytes < frame.frame_bytes()) return;
    contents.bytes += wire::put_frame(frame, packet.subspan(contents.bytes));
    acknowledgers_[i].on_frame_sent();
    acks_pending_ &= ~(1u << i);
  }
}

void Session::write_signals(Path& path, MutableBytes packet, PacketContents& contents) {
  if (path.wants_goodbye && packet.size() - contents.bytes >= wire::GoodbyeFrame::kFrameBytes) {
    path.wants_goodbye = false;
    contents.bytes += wire::put_frame(wire::GoodbyeFrame{}, packet.subspan(contents.bytes));
  }
  if (!path.wants_probe || packet.size() - contents.bytes < wire::PingFrame::kFrameBytes) return;
  path.wants_probe = false;
  contents.bytes += wire::put_frame(wire::PingFrame{}, packet.subspan(contents.bytes));
  contents.must_be_acked = true;
  contents.is_probe = true;
}

void Session::write_credit(Path& path, Connection* connection, MutableBytes packet, PacketContents& contents) {
  wire::CreditFrame frame;
  FrameRecord record{.type = wire::FrameType::kCredit};
  if (connection == nullptr) {
    frame.limit_bytes = receive_credit_.grant();
  } else {
    frame.connection = record.connection = connection->id.value;
    record.is_own = connection->is_own;
    frame.direction = connection->receiving();
    frame.limit_bytes = connection->receive.credit().grant();
  }
  contents.bytes += wire::put_frame(frame, packet.subspan(contents.bytes));
  contents.must_be_acked = true;
  path.sent.add_frame(record);
}

void Session::write_notices(Path& path, Lane lane, MutableBytes packet, PacketContents& contents) {
  if (is_session_credit_due_ && packet.size() - contents.bytes >= wire::CreditFrame::kFrameBytes) {
    is_session_credit_due_ = false;
    write_credit(path, nullptr, packet, contents);
  }
  RingQueue<Notice>& notices = notices_[lane];
  while (!notices.empty()) {
    if (!write_notice(path, lane, notices.front(), packet, contents)) return;
    notices.pop_front();
  }
  noticed_ &= ~(Lanes{1} << lane);
}

bool Session::write_notice(Path& path, Lane lane, const Notice& notice, MutableBytes packet, PacketContents& contents) {
  Connection* connection = connections_.find(notice.connection, notice.is_own);
  if (connection == nullptr) return true;
  if (lane_of(connection->policy) != lane) {
    connection->noticed_in &= ~(Lanes{1} << lane);
    return true;
  }
  if (packet.size() - contents.bytes < wire::CreditFrame::kFrameBytes + wire::CloseFrame::kFrameBytes) return false;
  connection->noticed_in &= ~(Lanes{1} << lane);
  if (connection->is_credit_due) {
    connection->is_credit_due = false;
    write_credit(path, connection, packet, contents);
  }
  if (connection->is_close_due) {
    connection->is_close_due = false;
    wire::CloseFrame frame{connection->id.value, connection->sending(), connection->send.next_message()};
    put_policy(*connection, path, frame);
    contents.bytes += wire::put_frame(frame, packet.subspan(contents.bytes));
    contents.must_be_acked = true;
    path.sent.add_frame({wire::FrameType::kClose, connection->is_own, connection->id.value, 0, 0, 0});
  }
  return true;
}

void Session::write_data(Path& path, const Load& load, MutableBytes packet, PacketContents& contents) {
  const std::size_t room_whole = packet.size() - wire::PacketHeader::kBytes - wire::DataFrame::kHeadBytes;
  SendQueue::Piece piece;
  while (Connection* connection = scheduler_.next(load.lane, send_credit_, piece)) {
    const bool is_small = piece.total <= SendScheduler::kUrgentBytesMax;
    if (load.is_small_only && !is_small) return;
    const std::size_t room = packet.size() - contents.bytes;
    if (room < wire::DataFrame::kHeadBytes + std::min<std::size_t>(4, piece.bytes.size())) return;
    const std::size_t bytes = std::min(piece.bytes.size(), room - wire::DataFrame::kHeadBytes);
    const bool is_cut = bytes < piece.bytes.size();
    // A small message travels whole: better in the next packet than in two.
    if (is_cut && is_small && piece.bytes.size() <= room_whole) return;

    const FrameRecord record = put_data(path, *connection, piece, bytes, packet, contents);
    path.sent.add_frame(record);
    if (load.second != nullptr && load.second->copies.size() < Path::kCopiesMax) load.second->copies.push_back(record);
    if (piece.is_first_time) unsent_bytes_ -= bytes;
    else ++context_.statistics.frames_retransmitted;
    connection->send.on_sent(piece, bytes, send_credit_);
    scheduler_.on_sent(*connection, bytes);
  }
}

void Session::write_copies(Path& path, MutableBytes packet, PacketContents& contents) {
  while (!path.copies.empty()) {
    const FrameRecord& copy = path.copies.front();
    Connection* connection = connections_.find(copy.connection, copy.is_own);
    SendQueue::Piece piece;
    const bool is_needed =
        connection != nullptr && connection->send.find_piece(copy.message, copy.offset, copy.length, piece);
    const bool is_too_long = copy.length > packet.size() - wire::PacketHeader::kBytes - wire::DataFrame::kHeadBytes;
    if (is_needed && !is_too_long) {
      if (packet.size() - contents.bytes < wire::DataFrame::kHeadBytes + copy.length) return;
      path.sent.add_frame(put_data(path, *connection, piece, copy.length, packet, contents));
    }
    path.copies.pop_front();
  }
}

template <class Frame>
void Session::put_policy(const Connection& connection, const Path& path, Frame& frame) const {
  if (!connection.is_own) return;
  frame.policy = connection.policy.kind;
  if (connection.policy.has_link()) frame.policy_path = named_path(connection.policy.link, path);
}

FrameRecord Session::put_data(const Path& path, const Connection& connection, const SendQueue::Piece& piece,
                              std::size_t bytes, MutableBytes packet, PacketContents& contents) const {
  wire::DataFrame frame;
  frame.connection = connection.id.value;
  frame.message = piece.message;
  frame.offset = piece.offset;
  frame.total = piece.total;
  frame.direction = connection.sending();
  frame.priority = piece.priority;
  put_policy(connection, path, frame);
  frame.piece = piece.bytes.first(bytes);
  contents.bytes += wire::put_frame(frame, packet.subspan(contents.bytes));
  contents.must_be_acked = true;
  return {wire::FrameType::kData, connection.is_own, connection.id.value,
          piece.message,          piece.offset,      static_cast<std::uint32_t>(bytes)};
}

/// A path by which the peer knows the link; if it can be, the one that is being used.
std::uint8_t Session::named_path(LinkId link, const Path& used) const {
  if (used.link == link) return used.id;
  const auto found =
      std::find_if(paths_.begin(), paths_.end(), [link](const auto& path) { return path->link == link; });
  return found == paths_.end() ? used.id : (*found)->id;
}

}  // namespace qnet::core
