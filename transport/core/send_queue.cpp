// SPDX-License-Identifier: Apache-2.0
#include "transport/core/send_queue.hpp"

namespace qnet::core {

void SendQueue::push(Buffer body, Priority priority) {
  Message& message = messages_.push_back({});
  message.size = static_cast<std::uint32_t>(body.size());
  held_bytes_ += message.size + kMessageOverheadBytes;
  message.body = std::move(body);
  message.priority = priority;
}

SendQueue::Next SendQueue::next_piece(const SendCredit& session, Piece& piece) const {
  if (again_count_ > 0) {
    std::size_t i = 0;
    while (!has_again(messages_[i])) ++i;
    const Message& message = messages_[i];
    const auto range = message.is_lost_whole ? IntervalSet<std::uint32_t>::Interval{} : message.again.front();
    piece = {first_ + static_cast<std::uint32_t>(i),
             range.begin,
             message.size,
             message.priority,
             false,
             message.body.view().subspan(range.begin, range.end - range.begin)};
    return Next::kPiece;
  }
  if (unsent_ >= messages_.size() || unsent_ >= kMessagesAheadMax) return Next::kNothing;
  const Message& message = messages_[unsent_];
  if (!message.is_begun) {
    if (!credit_.may_start(message.size)) return Next::kNothing;
    if (!session.may_start(message.size)) return Next::kNeedsSessionCredit;
  }
  piece = {first_ + unsent_,
           message.next_offset,
           message.size,
           message.priority,
           true,
           message.body.view().subspan(message.next_offset)};
  return Next::kPiece;
}

void SendQueue::on_sent(const Piece& piece, std::size_t bytes, SendCredit& session) {
  Message& message = messages_[piece.message - first_];
  const auto count = static_cast<std::uint32_t>(bytes);
  if (!piece.is_first_time) {
    message.again.erase(piece.offset, piece.offset + count);
    message.is_lost_whole = false;
    if (!has_again(message)) --again_count_;
    return;
  }
  if (!message.is_begun) {
    message.is_begun = true;
    credit_.charge(message.size);
    session.charge(message.size);
  }
  message.next_offset += count;
  if (message.next_offset == message.size) ++unsent_;
}

SendQueue::Message* SendQueue::find(std::uint32_t message) {
  const std::uint32_t index = message - first_;
  if (index >= messages_.size()) return nullptr;
  Message& found = messages_[index];
  return found.is_begun && !found.is_done ? &found : nullptr;
}

void SendQueue::on_acked(std::uint32_t message, std::uint32_t offset, std::uint32_t length) {
  Message* found = find(message);
  if (found == nullptr) return;
  if (length == found->size) {
    finish(*found);
    return;
  }
  found->acked_bytes += found->acked.insert(offset, offset + length);
  if (has_again(*found)) {
    found->again.erase(offset, offset + length);
    if (!has_again(*found)) --again_count_;
  }
  if (found->acked_bytes == found->size) finish(*found);
}

void SendQueue::finish(Message& message) {
  if (has_again(message)) --again_count_;
  message.again.clear();
  message.is_lost_whole = false;
  message.body = Buffer();
  message.is_done = true;
  held_bytes_ -= message.size + kMessageOverheadBytes;
  while (!messages_.empty() && messages_.front().is_done) {
    messages_.pop_front();
    ++first_;
    if (unsent_ > 0) --unsent_;
  }
  messages_.trim();
}

bool SendQueue::on_lost(std::uint32_t message, std::uint32_t offset, std::uint32_t length) {
  Message* found = find(message);
  if (found == nullptr) return false;
  const bool had_again = has_again(*found);
  if (found->size == 0) {
    found->is_lost_whole = true;
  } else {
    found->again.insert(offset, offset + length);
    for (std::size_t i = 0; i < found->acked.count(); ++i)
      found->again.erase(found->acked[i].begin, found->acked[i].end);
  }
  if (!had_again && has_again(*found)) ++again_count_;
  return has_again(*found);
}

bool SendQueue::find_piece(std::uint32_t message, std::uint32_t offset, std::uint32_t length, Piece& piece) {
  const Message* found = find(message);
  if (found == nullptr) return false;
  piece = {message, offset, found->size, found->priority, false, found->body.view().subspan(offset, length)};
  return true;
}

std::uint64_t SendQueue::drop_unsent() {
  std::uint64_t dropped = 0;
  while (!messages_.empty() && !messages_.back().is_begun) {
    held_bytes_ -= messages_.back().size + kMessageOverheadBytes;
    dropped += messages_.back().size;
    messages_.pop_back();
  }
  return dropped;
}

}  // namespace qnet::core
