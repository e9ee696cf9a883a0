// SPDX-License-Identifier: Apache-2.0
//
// send_queue.hpp: what is unacknowledged in one stream, and what goes out next?
//
// Messages are moved in and referenced until every byte is acknowledged. Lost pieces go before new ones. At most
// kMessagesAheadMax messages are begun and unfinished at once; the rest waits here.
// Not here: whose turn it is (send_scheduler.hpp), when a piece is lost (sent_packets.hpp).
#pragma once

#include <cstdint>

#include "transport/base/buffer.hpp"
#include "transport/base/priority.hpp"
#include "transport/core/credit.hpp"
#include "transport/core/interval_set.hpp"
#include "transport/core/ring_queue.hpp"

namespace qnet::core {

/// The receiver holds messages that overtook others up to this distance.
inline constexpr std::uint32_t kMessagesAheadMax = 256;
/// What a message costs besides its bytes, roughly.
inline constexpr std::size_t kMessageOverheadBytes = 768;

class SendQueue {
 public:
  SendQueue() = default;
  explicit SendQueue(SendCredit credit) : credit_(credit) {}

  void push(Buffer body, Priority priority);

  /// A piece that may go out now, `bytes` long at most; cut it as the packet needs. Valid until the queue changes.
  struct Piece {
    std::uint32_t message = 0;
    std::uint32_t offset = 0;
    std::uint32_t total = 0;
    Priority priority = 0;
    bool is_first_time = false;
    ByteView bytes;
  };
  enum class Next { kNothing, kPiece, kNeedsSessionCredit };
  Next next_piece(const SendCredit& session, Piece& piece) const;
  /// Of the message that is probably next; next_piece() knows better.
  Priority next_priority() const {
    if (messages_.empty()) return kPriorityNormal;
    return messages_[again_count_ > 0 || unsent_ == messages_.size() ? 0 : unsent_].priority;
  }
  /// The front `bytes` of `piece` are on their way. Charges credit when the message begins.
  void on_sent(const Piece& piece, std::size_t bytes, SendCredit& session);
  /// Returns true if that was the last unfinished message.
  void on_acked(std::uint32_t message, std::uint32_t offset, std::uint32_t length);
  /// Returns true if something has to go out again.
  bool on_lost(std::uint32_t message, std::uint32_t offset, std::uint32_t length);

  /// A piece that was sent before, for a second copy; false if it is acknowledged.
  bool find_piece(std::uint32_t message, std::uint32_t offset, std::uint32_t length, Piece& piece);

  SendCredit& credit() { return credit_; }
  bool empty() const { return messages_.empty(); }
  /// Of messages that are not acknowledged yet, kMessageOverheadBytes each included.
  std::uint64_t held_bytes() const { return held_bytes_; }
  /// Sequence number of the next message to be pushed.
  std::uint32_t next_message() const { return first_ + static_cast<std::uint32_t>(messages_.size()); }
  /// Forgets what has not begun; returns how many bytes that was.
  std::uint64_t drop_unsent();

 private:
  struct Message {
    Buffer body;
    std::uint32_t size = 0;
    std::uint32_t next_offset = 0;  // everything below was sent at least once
    std::uint32_t acked_bytes = 0;
    Priority priority = 0;
    bool is_begun = false;
    bool is_done = false;
    IntervalSet<std::uint32_t> acked;
    IntervalSet<std::uint32_t> again;  // lost pieces
    bool is_lost_whole = false;        // `again` for a message without bytes
  };

  Message* find(std::uint32_t message);
  void finish(Message& message);
  static bool has_again(const Message& message) { return message.is_lost_whole || !message.again.empty(); }

  RingQueue<Message> messages_;
  std::uint32_t first_ = 0;        // sequence number of messages_[0]
  std::uint32_t unsent_ = 0;       // index of the first message with bytes that were never sent
  std::uint32_t again_count_ = 0;  // messages with lost pieces
  std::uint64_t held_bytes_ = 0;
  SendCredit credit_;
};

}  // namespace qnet::core
