// SPDX-License-Identifier: Apache-2.0
#include "transport/core/peer.hpp"

#include <algorithm>
#include <cerrno>

namespace qnet::core {

Peer::Peer(Context& context, PeerId id, std::string_view name) : context_(context), id_(id), name_(name) {
  paths_.reserve(kPathsMax);
  begin_epoch();
  epoch_ = 1;
}

void Peer::begin_epoch() {
  ++epoch_;
  own_index_ = (static_cast<std::uint32_t>(context_.random()) & ~kSlotMask) | id_.value;
}

Path* Peer::find_path(LinkId link, const Address& address) {
  for (const auto& path : paths_) {
    if (path->is_at(link, address)) return path.get();
  }
  return nullptr;
}

void Peer::add_path(LinkId link, const Address& address, Instant now) {
  Path* path = find_path(link, address);
  if (path == nullptr) path = learn_path(link, address);
  if (path == nullptr) return;
  path->is_learned = false;
  greet(*path, now);
}

Path* Peer::learn_path(LinkId link, const Address& address) {
  if (paths_.size() < kPathsMax) {
    const EngineConfig& config = context_.config;
    paths_.push_back(std::make_unique<Path>(
        static_cast<std::uint8_t>(paths_.size()), link, address, context_.links[link.value],
        MonitorTimes{config.probe_interval_active, config.probe_interval_idle, config.link_dead_after}));
    paths_.back()->is_learned = true;
    return paths_.back().get();
  }
  for (const auto& path : paths_) {
    // Its packet numbers go on; only the place is new.
    if (!path->is_learned || path->monitor.is_usable() || path->link != link) continue;
    path->address = address;
    path->greeting = Greeting();
    return path.get();
  }
  return nullptr;
}

void Peer::on_packet(const wire::PacketHeader& header, ByteView payload, LinkId link, const Address& from,
                     Instant now) {
  Path* arrival = find_path(link, from);
  if (arrival != nullptr && arrival->has_crc && (header.flags & wire::packet_flags::kCrc) == 0) {
    ++context_.statistics.datagrams_corrupt;
    return;
  }
  if (arrival != nullptr) {
    arrival->bytes_received += wire::PacketHeader::kBytes + payload.size();
    arrival->monitor.on_arrival(now);
  }
  if (!has_been_up_) {
    // Only who has heard our answer knows the token: the way there and back works.
    state_ = State::kEstablished;
    if (arrival != nullptr) confirm(*arrival, now);
  } else if (arrival != nullptr && !arrival->monitor.is_usable()) {
    greet_soon(*arrival, now);
  }
  update_liveness(now);
  if (!has_been_up_) return;  // Nobody has been told of this life: it must not open anything. What is sent comes again.
  if (!session_->on_packet(header, payload, arrival != nullptr ? *arrival : *paths_.front(), now)) {
    ++context_.statistics.datagrams_malformed;
    return;
  }
  if (!session_->has_heard_goodbye()) return;
  end_life(DownReason::kGoodbye, now);
  disbelief_until_ = now + context_.config.session_hold;
}

void Peer::confirm(Path& path, Instant now) {
  if (!is_link_well(path)) return;  // It was under way when the link was lost.
  const bool was_usable = path.monitor.is_usable();
  const bool is_other_usable = std::any_of(paths_.begin(), paths_.end(), [&path](const auto& other) {
    return other.get() != &path && other->monitor.is_usable();
  });
  path.monitor.on_confirmed(now, !is_other_usable, path.rtt.smoothed());
  report_change(context_, id_, path);
  if (was_usable || !path.monitor.is_usable()) return;
  path.wants_probe = true;  // A first packet, so that the peer knows that we know.
  path.timeout_base = now;
  path.timeouts = 0;
}

void Peer::on_reset(LinkId link, const Address& from, Instant now) {
  Path* path = find_path(link, from);
  if (path == nullptr || path->greeting.sent_at + kGreetingGap > now) return;
  greet(*path, now);
}

void Peer::on_send_error(LinkId link, const Address& to, int error, Instant now) {
  Path* path = find_path(link, to);
  if (path == nullptr) return;
  if (error == EMSGSIZE) return path->datagram.on_refused(now);
  const bool is_refused = error == ECONNREFUSED;
  if (state_ != State::kEstablished) {
    const bool is_better_known = down_reason_ == DownReason::kVersion || down_reason_ == DownReason::kGoodbye;
    if (is_refused && !is_better_known) down_reason_ = DownReason::kRefused;
    return;
  }
  const bool is_news = path->monitor.on_send_error(now, is_refused);
  report_change(context_, id_, *path);
  if (!is_news) return;
  if (is_refused) {  // If the agent is gone, it is gone on every path: ask there, too.
    for (const auto& other : paths_) other->wants_probe = other->wants_probe || other->monitor.is_usable();
  }
  on_time(now);
}

void Peer::on_link_condition(LinkId link, Instant now) {
  for (const auto& path : paths_) {
    if (path->link != link) continue;
    path->limit_datagrams(context_.links[link.value]);
    if (is_link_well(*path)) {
      if (!path->monitor.is_usable()) path->greeting = Greeting{.next = now};
    } else if (session_ != nullptr && path->monitor.state() != LinkState::kDown) {
      session_->give_up(*path, now);
      on_path_down(*path, now);
    }
  }
  if (state_ == State::kEstablished) on_time(now);
}

void Peer::on_time(Instant now) {
  if (context_.is_leaving) return;
  for (const auto& path : paths_) {
    if (state_ == State::kEstablished && session_->on_path_time(*path, now)) on_path_down(*path, now);
    if (is_greeting(*path) && now >= path->greeting.next) greet(*path, now);
  }
  update_liveness(now);
  if (state_ == State::kEstablished) session_->on_time(now);
  if (lost_at_ && now >= *lost_at_ + context_.config.session_hold) {
    end_life(down_reason_, now);
    begin_epoch();  // The peer may have kept its end: it must not fit any more.
  }
  if (state_ == State::kBound && now >= bound_at_ + context_.config.session_hold) {
    session_.reset();
    state_ = State::kUnknown;
  }
  if (disbelief_until_ && now >= *disbelief_until_) disbelief_until_.reset();
}

void Peer::on_path_down(Path& path, Instant now) {
  was_refused_ = path.monitor.reason() == PathReason::kRefused;
  const bool is_peer_silent =
      std::none_of(paths_.begin(), paths_.end(), [](const auto& other) { return other->monitor.is_usable(); });
  if (is_peer_silent) {
    for (const auto& other : paths_) other->monitor.forgive();
  }
  path.greeting = Greeting();
  path.greeting.interval = kGreetingFirst;
  path.greeting.next = now;
}

void Peer::update_liveness(Instant now) {
  if (state_ != State::kEstablished) return;
  const bool is_alive =
      std::any_of(paths_.begin(), paths_.end(), [](const auto& path) { return path->monitor.is_usable(); });
  if (is_alive) {
    dead_since_.reset();
    lost_at_.reset();
    if (is_up_) return;
    is_up_ = true;
    if (!has_been_up_) ++context_.statistics.sessions_opened;
    has_been_up_ = true;
    context_.emit(PeerUp{id_, incarnation()});
    return;
  }
  if (!is_up_) return;
  if (!dead_since_) dead_since_ = now;
  if (!was_refused_ && now < *dead_since_ + context_.config.call_grace) return;
  down_reason_ = was_refused_ ? DownReason::kRefused : DownReason::kSilent;
  is_up_ = false;
  lost_at_ = now;
  dead_since_.reset();
  ++context_.statistics.sessions_lost;
  context_.emit(PeerDown{id_, incarnation(), down_reason_});
}

void Peer::end_life(DownReason reason, Instant now) {
  if (session_ == nullptr) return;
  if (is_up_) {
    ++context_.statistics.sessions_lost;
    context_.emit(PeerDown{id_, incarnation(), reason});
  }
  down_reason_ = reason;
  if (has_been_up_) context_.emit(PeerGone{id_, incarnation(), reason});
  session_.reset();
  state_ = State::kUnknown;
  is_up_ = false;
  has_been_up_ = false;
  was_refused_ = false;
  dead_since_.reset();
  lost_at_.reset();
  begin_on_all_paths(now);
}

void Peer::begin_on_all_paths(Instant now) {
  for (const auto& path : paths_) {
    path->begin_session(now);
    report_change(context_, id_, *path);
  }
}

void Peer::shift(Duration stall, Instant now) {
  for (const auto& path : paths_) {
    path->monitor.shift(stall, now);
    path->timeout_base = std::min(path->timeout_base + stall, now);
  }
  if (dead_since_) dead_since_ = std::min(*dead_since_ + stall, now);
  if (lost_at_) lost_at_ = std::min(*lost_at_ + stall, now);
}

void Peer::say_goodbye() {
  if (state_ != State::kEstablished) return;
  for (const auto& path : paths_) path->wants_goodbye = path->monitor.is_usable();
}

void Peer::remove(Instant now) {
  end_life(DownReason::kRemoved, now);
  begin_epoch();
  paths_.clear();
  is_removed_ = true;
}

void Peer::revive(std::string_view name) {
  name_ = name;
  is_removed_ = false;
  down_reason_ = DownReason::kNeverSeen;
}

std::optional<Transmit> Peer::next_transmit(MutableBytes staging, Instant now) {
  if (state_ != State::kEstablished) return std::nullopt;
  return session_->next_transmit(staging, now);
}

std::optional<Instant> Peer::deadline(bool has_output, Instant now) const {
  std::optional<Instant> first;
  const auto consider = [&first](std::optional<Instant> when) {
    if (when && (!first || *when < *first)) first = when;
  };
  if (context_.is_leaving) return first;
  for (const auto& path : paths_) {
    if (is_greeting(*path)) consider(path->greeting.next);
    if (state_ == State::kEstablished) consider(session_->path_deadline(*path, now));
  }
  if (state_ == State::kEstablished) consider(session_->deadline());
  if (state_ == State::kEstablished && !has_output) consider(session_->output_deadline());
  if (dead_since_ && is_up_) consider(*dead_since_ + context_.config.call_grace);
  if (lost_at_) consider(*lost_at_ + context_.config.session_hold);
  if (state_ == State::kBound) consider(bound_at_ + context_.config.session_hold);
  if (disbelief_until_) consider(disbelief_until_);
  return first;
}

}  // namespace qnet::core
