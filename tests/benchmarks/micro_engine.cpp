// SPDX-License-Identifier: Apache-2.0
//
// micro_engine.cpp: what does the engine itself cost per message, with a perfect wire and no system call?
#include <benchmark/benchmark.h>

#include <memory>
#include <optional>
#include <random>
#include <variant>

#include "transport/base/check.hpp"
#include "transport/core/engine.hpp"

namespace qnet::core {
namespace {

constexpr std::size_t kDatagramBytes = 1472;
constexpr auto kStep = std::chrono::microseconds(1);
constexpr int kRoundsMax = 100000;

Address address_of(std::byte number) {
  Address address;
  address.bytes[0] = number;
  address.size_bytes = 1;
  return address;
}

/// Two engines in one thread; what one transmits, the other receives at once.
class Pair {
 public:
  Pair() : alpha_(make("a", 1)), beta_(make("b", 2)) {
    const LinkId link = alpha_->add_link({.name = "en0", .datagram_bytes_max = kDatagramBytes, .can_batch = true});
    beta_->add_link({.name = "en0", .datagram_bytes_max = kDatagramBytes, .can_batch = true});
    to_beta_ = *alpha_->add_peer("b", now_);
    to_alpha_ = *beta_->add_peer("a", now_);
    alpha_->add_path(to_beta_, link, address_of(std::byte{2}), now_);
    beta_->add_path(to_alpha_, link, address_of(std::byte{1}), now_);
    for (int round = 0; !alpha_->is_up(to_beta_) || !beta_->is_up(to_alpha_); ++round) {
      QNET_CHECK(round < kRoundsMax);
      exchange();
      pass_time();
    }
    drop_events();
    connection_ = *alpha_->open_connection(to_beta_, "", "", now_);
  }

  /// One request of that size and its reply of that size.
  void call(std::size_t request_bytes, std::size_t reply_bytes) {
    QNET_CHECK(
        alpha_->send(to_beta_, alpha_->incarnation_of(to_beta_), connection_, true, 0, Buffer(request_bytes), now_)
            .has_value());
    const MessageArrived request = wait_for_message(*beta_);
    QNET_CHECK(beta_->send(to_alpha_, request.incarnation, request.connection, false, 0, Buffer(reply_bytes), now_)
                   .has_value());
    QNET_CHECK(wait_for_message(*alpha_).body.size() == reply_bytes);
  }

 private:
  static std::unique_ptr<Engine> make(const char* name, std::uint64_t number) {
    NodeId id;
    id.bytes[0] = static_cast<std::byte>(number);
    auto random = std::make_shared<std::mt19937_64>(number);
    return std::make_unique<Engine>(LocalNode{id, name, Incarnation{number}}, EngineConfig{},
                                    [random] { return (*random)(); });
  }
  void exchange() {
    carry(*alpha_, *beta_, address_of(std::byte{1}));
    carry(*beta_, *alpha_, address_of(std::byte{2}));
  }
  void carry(Engine& from, Engine& to, const Address& sender) {
    while (const std::optional<Transmit> transmit = from.next_transmit(now_)) {
      for (ByteView rest = transmit->datagrams; !rest.empty();) {
        const ByteView datagram = rest.first(std::min(rest.size(), transmit->segment_bytes));
        to.on_datagram(transmit->link, sender, datagram, now_);
        rest = rest.subspan(datagram.size());
      }
    }
  }
  void pass_time() {
    now_ += kStep;
    const std::optional<Instant> alpha_due = alpha_->deadline(), beta_due = beta_->deadline();
    if (alpha_due || beta_due) {
      now_ = std::max(now_, std::min(alpha_due.value_or(Instant::max()), beta_due.value_or(Instant::max())));
    }
    alpha_->on_time(now_);
    beta_->on_time(now_);
  }
  void drop_events() {
    while (alpha_->next_event()) continue;
    while (beta_->next_event()) continue;
  }
  MessageArrived wait_for_message(Engine& engine) {
    for (int round = 0; round < kRoundsMax; ++round) {
      exchange();
      now_ += kStep;
      while (std::optional<Event> event = engine.next_event()) {
        if (auto* const message = std::get_if<MessageArrived>(&*event)) return std::move(*message);
      }
      if (round % 8 == 7) pass_time();
    }
    QNET_CHECK(!"the message arrives");
    std::abort();
  }

  Instant now_{std::chrono::seconds(1000)};
  std::unique_ptr<Engine> alpha_, beta_;
  PeerId to_beta_, to_alpha_;
  ConnectionId connection_;
};

void Calls(benchmark::State& state) {
  Pair pair;
  const auto reply_bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) pair.call(64, reply_bytes);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Calls)->Arg(64)->Arg(4096)->Arg(1 << 20);

}  // namespace
}  // namespace qnet::core
