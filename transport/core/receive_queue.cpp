// SPDX-License-Identifier: Apache-2.0
#include "transport/core/receive_queue.hpp"

#include <cstring>

#include "transport/core/send_queue.hpp"

namespace qnet::core {

ReceiveQueue::Verdict ReceiveQueue::on_piece(const wire::DataFrame& piece, ReceiveCredit& session) {
  const std::uint32_t index = piece.message - next_;
  if (index >= kMessagesAheadMax) {
    // Half of the number space lies behind: those were delivered.
    return index >= UINT32_MAX / 2 ? Verdict::kDuplicate : Verdict::kViolation;
  }
  const bool is_begun = index < ahead_.size() && ahead_[index].is_begun;
  if (!is_begun) {
    // The next message needs no place: there is always a way to go on.
    const std::size_t places = index == 0 || index < ahead_.size() ? 0 : index + 1 - ahead_.size();
    if (!session.has_places(places)) return Verdict::kViolation;
    ReceiveCredit charged = session;  // Both or neither.
    if (!charged.begin(piece.total) || !credit_.begin(piece.total)) return Verdict::kViolation;
    session = charged;
    session.take_places(places);
    places_ += places;
    while (ahead_.size() <= index) ahead_.push_back({});
    Assembly& begun = ahead_[index];
    begun.is_begun = true;
    begun.total = piece.total;
    begun.priority = piece.priority;
    begun.body = Buffer(piece.total);
  }
  Assembly& assembly = ahead_[index];
  if (assembly.total != piece.total) return Verdict::kViolation;
  if (assembly.is_whole) return Verdict::kDuplicate;
  if (piece.piece.size() == assembly.total) {
    if (!piece.piece.empty()) std::memcpy(assembly.body.data(), piece.piece.data(), piece.piece.size());
    assembly.is_whole = true;
    return Verdict::kNew;
  }
  const auto length = static_cast<std::uint32_t>(piece.piece.size());
  if (assembly.have.count() >= kHolesMax && !assembly.have.touches(piece.offset, piece.offset + length)) {
    return Verdict::kViolation;
  }
  const std::uint32_t added = assembly.have.insert(piece.offset, piece.offset + length);
  if (added == 0) return Verdict::kDuplicate;
  std::memcpy(assembly.body.data() + piece.offset, piece.piece.data(), piece.piece.size());
  assembly.have_bytes += added;
  assembly.is_whole = assembly.have_bytes == assembly.total;
  return Verdict::kNew;
}

std::optional<ReceiveQueue::Delivered> ReceiveQueue::pop(ReceiveCredit& session) {
  if (!has_next()) return std::nullopt;
  Assembly whole = ahead_.pop_front();
  if (ahead_.size() < places_) {
    session.give_places(places_ - ahead_.size());
    places_ = ahead_.size();
  }
  ahead_.trim();
  ++next_;
  credit_.deliver(whole.total);
  session.deliver(whole.total);
  return Delivered{std::move(whole.body), whole.priority};
}

}  // namespace qnet::core
