// SPDX-License-Identifier: Apache-2.0
//
// engine_fuzz.cpp: what can a peer do that has a session with us and keeps no rule?
//
// The input is a course of events: datagrams of any kind from that peer and from others, time, and what the agent does
// meanwhile. After each the engine must hold no more than it may.
#include <deque>
#include <vector>

#include "tests/fuzz/choices.hpp"
#include "tests/unit/transport/hand_written_peer.hpp"
#include "transport/base/check.hpp"
#include "transport/core/credit.hpp"
#include "transport/core/send_queue.hpp"
#include "transport/wire/message.hpp"

namespace qnet::core {
namespace {

constexpr std::size_t kEventsMax = 400;
constexpr std::size_t kReplyBytesMax = 1 << 20;
constexpr std::size_t kCreditBytes = 4 << 20;
constexpr std::size_t kUnansweredMax = 64;  // what the agent would have in execution at once

class EngineFuzz : test::HandWrittenPeer {
 public:
  EngineFuzz() {
    config_.connections_max = 64;
    config_.connection_credit_bytes = config_.session_credit_bytes = kCreditBytes;
    renew();
    join();
    settle();
  }

  void run(fuzz::Choices choices) {
    for (std::size_t i = 0; i < kEventsMax && !choices.empty(); ++i) {
      step(choices);
      settle();
      check_holdings();
    }
  }

 private:
  void step(fuzz::Choices& choices) {
    switch (choices.byte() % 14) {
      case 0: {
        const ByteView datagram = choices.bytes(choices.number<std::uint16_t>() % 1500);
        return engine_->on_datagram(kLink, choices.byte() % 2 == 0 ? there_ : elsewhere(), datagram, now_);
      }
      case 1:
        return give_packet(choices.bytes(choices.byte() * 4u), choices);
      case 2:
        return give_data(choices);
      case 3:
        return give_ack(choices);
      case 4:
        return give_frames(wire::CreditFrame{.connection = choices.byte() % 8u,
                                             .direction = direction(choices),
                                             .limit_bytes = choices.number<std::uint64_t>() >> choices.byte() % 64});
      case 5:
        return give_frames(wire::CloseFrame{.connection = choices.byte(),
                                            .direction = direction(choices),
                                            .messages = choices.byte(),
                                            .policy = static_cast<wire::PolicyKind>(choices.byte() % 4)});
      case 6:
        return choices.byte() == 0 ? give_frames(wire::GoodbyeFrame{}) : give_frames(wire::PingFrame{});
      case 7:
        return greet(choices);
      case 8:
        return pass(std::chrono::microseconds(choices.number<std::uint16_t>()));
      case 9:
        return pass(std::chrono::milliseconds(choices.number<std::uint16_t>() % 12'000));
      case 10:
        return answer(choices);
      case 11:
        return ask(choices);
      case 12:
        return engine_->close_connection(peer_, ConnectionId{choices.byte() % 16u}, now_);
      default:
        return engine_->on_send_error(kLink, there_, choices.byte() % 2 == 0 ? ECONNREFUSED : EHOSTUNREACH, now_);
    }
  }

  Address elsewhere() const {
    Address address = there_;
    address.bytes[0] = std::byte{77};
    return address;
  }
  static wire::Direction direction(fuzz::Choices& choices) {
    return choices.byte() % 2 == 0 ? wire::Direction::kRequest : wire::Direction::kReply;
  }

  void give_packet(ByteView payload, fuzz::Choices& choices) {
    const std::uint8_t how = choices.byte();
    number_ += how % 4;  // A packet number may come again, or be left out.
    give({.flags = static_cast<std::uint16_t>(how & 0x30),
          .session = session_token(engine_index_, hello_.own),
          .number = number_,
          .path = static_cast<std::uint8_t>(how >> 6)},
         payload);
  }

  void give_data(fuzz::Choices& choices) {
    static const std::vector<std::byte> bytes(1200);
    wire::DataFrame frame;
    frame.connection = choices.byte();
    frame.message = choices.byte() % 4 == 0 ? choices.number<std::uint32_t>() : choices.byte();
    frame.total = choices.byte() % 4 == 0 ? choices.number<std::uint32_t>() % wire::kMessageBytesMax : choices.byte();
    frame.offset = choices.number<std::uint16_t>();
    frame.direction = direction(choices);
    frame.piece = ByteView(bytes).first(choices.number<std::uint16_t>() % bytes.size());
    give_frames(frame);
  }

  void give_ack(fuzz::Choices& choices) {
    wire::AckFrame ack;
    ack.largest = choices.byte() % 8 == 0 ? choices.number<std::uint64_t>() : sent_largest_ - choices.byte() % 4u;
    ack.path = choices.byte() % 8 == 0 ? choices.byte() : std::uint8_t{0};
    ack.range_count = static_cast<std::uint8_t>(1 + choices.byte() % 4);
    for (std::size_t i = 0; i < ack.range_count; ++i) ack.ranges[i] = {choices.byte(), choices.number<std::uint16_t>()};
    ack.ranges[0].gap = 0;
    give_frames(ack);
  }

  void greet(fuzz::Choices& choices) {
    hello_.own.incarnation += choices.byte() % 4 == 0 ? 1 : 0;
    hello_.own.epoch += choices.byte() % 4 == 0 ? 1 : 0;
    hello_.nonce = greeting_nonce_;
    hello_.target = choices.byte() % 4 == 0 ? wire::SessionTag{} : greeting_tag_;
    if (choices.byte() % 8 == 0) hello_.session_credit_bytes = choices.number<std::uint64_t>();
    give_hello(choices.byte() % 2 == 0 ? wire::PacketType::kHello : wire::PacketType::kHelloAck);
  }

  void pass(Duration by) {
    now_ += by;
    engine_->on_time(now_);
  }

  void answer(fuzz::Choices& choices) {
    if (unanswered_.empty()) return;
    const MessageArrived& request = unanswered_.front();
    const std::size_t bytes = choices.byte() % 4 == 0 ? kReplyBytesMax : choices.byte();
    static_cast<void>(engine_->send(peer_, request.incarnation, request.connection, false,
                                    static_cast<Priority>(choices.byte()), Buffer(bytes), now_));
    unanswered_.pop_front();
  }

  void ask(fuzz::Choices& choices) {
    const std::uint8_t which = choices.byte();
    ConnectionId connection{which % 16u};
    if (which >= 128) connection = engine_->open_connection(peer_, "", "", now_).value_or(ConnectionId{});
    if (engine_->holdings().request_bytes > kReplyBytesMax) return;  // Callers wait for their answers.
    static_cast<void>(engine_->send(peer_, engine_->incarnation_of(peer_), connection, true, 0,
                                    Buffer(std::size_t{choices.byte()}), now_));
  }

  /// What the agent does after every input.
  void settle() {
    for (Event& event : events()) {
      auto* message = std::get_if<MessageArrived>(&event);
      if (message == nullptr || message->is_own) continue;
      if (unanswered_.size() < kUnansweredMax) unanswered_.push_back(std::move(*message));
    }
    for (const test::Packet& packet : take()) {
      if (packet.header.type == wire::PacketType::kData) {
        sent_largest_ = packet.header.number;
      } else if (packet.header.type != wire::PacketType::kReset) {
        const wire::Hello hello = packet.hello();
        greeting_tag_ = hello.own;
        engine_index_ = hello.session;
        if (packet.header.type == wire::PacketType::kHello) greeting_nonce_ = hello.nonce;
      }
    }
    QNET_CHECK(!engine_->deadline() || *engine_->deadline() + std::chrono::hours(1) > now_);
  }

  void check_holdings() const {
    const EngineHoldings holds = engine_->holdings();
    QNET_CHECK(holds.sessions <= 1 && holds.events == 0 && holds.control_packets == 0);
    QNET_CHECK(holds.connections <= 4 * config_.connections_max);
    QNET_CHECK(holds.received_bytes <= kCreditBytes + kSessionOverrunBytes);
    QNET_CHECK(holds.reply_bytes <= kCreditBytes + (kUnansweredMax + 1) * (kReplyBytesMax + kMessageOverheadBytes));
  }

  std::deque<MessageArrived> unanswered_;
  std::uint64_t sent_largest_ = 0;
  std::uint64_t greeting_nonce_ = 0;
  wire::SessionTag greeting_tag_;
};

}  // namespace
}  // namespace qnet::core

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  qnet::core::EngineFuzz().run({data, size});
  return 0;
}
