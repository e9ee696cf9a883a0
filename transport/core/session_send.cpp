// SPDX-License-Identifier: Apache-2.0
//
// session_send.cpp: what goes into the next packets, and on which path?
//
// Acknowledgements and probes first, then notices (credit, close), then pieces of messages until the packet is full.
#include <algorithm>

#include "transport/core/scheduler.hpp"
#include "transport/core/session.hpp"

namespace qnet::core {

bool Session::has_ack_due(Instant now, std::size_t path) const {
  for (std::size_t i = 0; i < acknowledgers_.size(); ++i) {
    const bool is_pending = (acks_pending_ >> i & 1) != 0;
    if (is_pending && acknowledgers_[i].arrival_path() == path && acknowledgers_[i].is_due(now)) return true;
  }
  return false;
}

std::optional<Transmit> Session::next_transmit(MutableBytes staging, Instant now) {
  last_path_ = choose_path(paths_, last_path_);
  Path* best = last_path_;
  for (const auto& path : paths_) {
    if (!path->wants_probe && !path->wants_goodbye) continue;
    if (path->sent.is_full()) continue;
    return send_batch(*path, path.get() == best && path->may_send(), staging, now);
  }
  if (best != nullptr && (has_data() || is_session_credit_due_) && best->may_send()) {
    if (std::optional<Transmit> batch = send_batch(*best, true, staging, now)) return batch;
  }
  if (acks_pending_ == 0) return std::nullopt;
  for (const auto& path : paths_) {
    if (has_ack_due(now, path->id) && !path->sent.is_full()) return send_batch(*path, false, staging, now);
  }
  return std::nullopt;
}

std::optional<Transmit> Session::send_batch(Path& path, bool with_data, MutableBytes staging, Instant now) {
  const std::size_t segment = path.datagram_bytes;
  const std::size_t segments_max =
      path.can_batch && with_data ? std::clamp<std::size_t>(kBatchBytesMax / segment, 1, kBatchSegmentsMax) : 1;
  Transmit batch{path.link, path.address, segment, {}};
  std::size_t filled = 0;
  for (std::size_t i = 0; i < segments_max; ++i) {
    const std::size_t bytes = write_packet(path, with_data, staging.subspan(filled, segment), now);
    if (bytes == 0) break;
    if (i == 0) batch.segment_bytes = bytes;
    filled += bytes;
    if (bytes != segment || !path.may_send()) break;
  }
  if (filled == 0) return std::nullopt;
  batch.datagrams = ByteView(staging.first(filled));
  return batch;
}

std::size_t Session::write_packet(Path& path, bool with_data, MutableBytes packet, Instant now) {
  PacketContents contents;
  if (acks_pending_ != 0) write_acks(packet, contents, now);
  write_signals(path, packet, contents);
  if (with_data) {
    write_notices(path, packet, contents);
    write_data(path, packet, contents);
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
  path.sent.commit(contents.bytes, contents.must_be_acked, now, path.congestion);
  path.bytes_sent += contents.bytes;
  if (contents.is_probe) header.flags |= wire::packet_flags::kProbe | wire::packet_flags::kAckNow;
  // The last packet that fits under the cap asks for the answer that makes room.
  if (contents.must_be_acked && !path.congestion.can_send()) header.flags |= wire::packet_flags::kAckNow;
  wire::encode_header(header, packet);
  return contents.bytes;
}

void Session::write_acks(MutableBytes packet, PacketContents& contents, Instant now) {
  for (std::size_t i = 0; i < acknowledgers_.size(); ++i) {
    if ((acks_pending_ >> i & 1) == 0) continue;
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

void Session::write_notices(Path& path, MutableBytes packet, PacketContents& contents) {
  if (is_session_credit_due_ && packet.size() - contents.bytes >= wire::CreditFrame::kFrameBytes) {
    is_session_credit_due_ = false;
    write_credit(path, nullptr, packet, contents);
  }
  while (!notices_.empty()) {
    if (!write_notice(path, notices_.front(), packet, contents)) return;
    notices_.pop_front();
  }
}

bool Session::write_notice(Path& path, const Notice& notice, MutableBytes packet, PacketContents& contents) {
  Connection* connection = connections_.find(notice.connection, notice.is_own);
  if (connection == nullptr) return true;
  if (packet.size() - contents.bytes < wire::CreditFrame::kFrameBytes + wire::CloseFrame::kFrameBytes) return false;
  connection->is_in_notices = false;
  if (connection->is_credit_due) {
    connection->is_credit_due = false;
    write_credit(path, connection, packet, contents);
  }
  if (connection->is_close_due) {
    connection->is_close_due = false;
    const wire::CloseFrame frame{connection->id.value, connection->sending(), connection->send.next_message()};
    contents.bytes += wire::put_frame(frame, packet.subspan(contents.bytes));
    contents.must_be_acked = true;
    path.sent.add_frame({wire::FrameType::kClose, connection->is_own, connection->id.value, 0, 0, 0});
  }
  return true;
}

void Session::write_data(Path& path, MutableBytes packet, PacketContents& contents) {
  const std::size_t room_whole = packet.size() - wire::PacketHeader::kBytes - wire::DataFrame::kHeadBytes;
  SendQueue::Piece piece;
  while (Connection* connection = scheduler_.next(send_credit_, piece)) {
    const std::size_t room = packet.size() - contents.bytes;
    if (room < wire::DataFrame::kHeadBytes + std::min<std::size_t>(4, piece.bytes.size())) return;
    const std::size_t bytes = std::min(piece.bytes.size(), room - wire::DataFrame::kHeadBytes);
    const bool is_cut = bytes < piece.bytes.size();
    // A small message travels whole: better in the next packet than in two.
    if (is_cut && piece.total <= SendScheduler::kUrgentBytesMax && piece.bytes.size() <= room_whole) return;

    wire::DataFrame frame;
    frame.connection = connection->id.value;
    frame.message = piece.message;
    frame.offset = piece.offset;
    frame.total = piece.total;
    frame.direction = connection->sending();
    frame.priority = piece.priority;
    frame.piece = piece.bytes.first(bytes);
    contents.bytes += wire::put_frame(frame, packet.subspan(contents.bytes));
    contents.must_be_acked = true;
    path.sent.add_frame({wire::FrameType::kData, connection->is_own, connection->id.value, piece.message, piece.offset,
                         static_cast<std::uint32_t>(bytes)});
    if (!piece.is_first_time) ++context_.statistics.frames_retransmitted;
    connection->send.on_sent(piece, bytes, send_credit_);
    scheduler_.on_sent(*connection, bytes);
  }
}

}  // namespace qnet::core
