// SPDX-License-Identifier: Apache-2.0
#include "agent/event_log.hpp"

#include <algorithm>
#include <chrono>

#include "agent/listing.hpp"
#include "transport/wire/agent_ops.hpp"

namespace qnet::agent {
namespace {

std::int64_t real_time_us() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count();
}

bool is_for_want_of_signs(core::DownReason reason) {
  return reason == core::DownReason::kSilent || reason == core::DownReason::kRefused;
}

}  // namespace

void EventLog::note(const core::Event& event) {
  if (const auto* changed = std::get_if<core::PathChanged>(&event)) return note_path(*changed);
  if (const auto* up = std::get_if<core::PeerUp>(&event)) return note_peer("peer", "up", up->peer);
  if (const auto* down = std::get_if<core::PeerDown>(&event)) {
    if (down->reason == core::DownReason::kRestarted) return;  // PeerGone says it.
    note_peer("peer", "lost", down->peer, core::text_of(down->reason));
    if (is_for_want_of_signs(down->reason)) note_peer("session", "held", down->peer);
  } else if (const auto* gone = std::get_if<core::PeerGone>(&event)) {
    if (gone->reason == core::DownReason::kRestarted) note_peer("peer", "restarted", gone->peer);
    const bool has_expired = is_for_want_of_signs(gone->reason);
    note_peer("session", has_expired ? "expired" : "ended", gone->peer, core::text_of(gone->reason));
  }
}

void EventLog::note_path(const core::PathChanged& changed) {
  add({.subject = "link",
       .happened = core::text_of(changed.is),
       .peer = std::string(peers_.name_of(NodeRef::peer(changed.peer))),
       .link = pump_.name_of(changed.link),
       .address = pump_.driver_of(changed.link).format_address(changed.address).substr(0, kEntryTextBytesMax),
       .reason = core::text_of(changed.reason)});
}

void EventLog::note_peer(std::string_view subject, std::string_view happened, PeerId peer, std::string_view reason) {
  add({.subject = subject,
       .happened = happened,
       .peer = std::string(peers_.name_of(NodeRef::peer(peer))),
       .reason = reason});
}

void EventLog::add(Happening happening) {
  happening.time_us = real_time_us();
  if (events_.size() == kEventsMax) events_.pop_front();
  events_.push_back(std::move(happening));
  ++noted_;
  // An answer that cannot be written closes its session, which then forgets its place in readers_.
  std::vector<Reader> readers;
  readers.swap(readers_);
  for (const Reader& reader : readers) answer(*reader.session, reader.after);
}

void EventLog::give(LocalSession& session, std::uint64_t after) {
  after = std::min(after, noted_);
  if (after < noted_) return answer(session, after);
  readers_.push_back({&session, after});
}

bool EventLog::forget(const LocalSession& session) {
  return std::erase_if(readers_, [&session](const Reader& reader) { return reader.session == &session; }) > 0;
}

void EventLog::answer(LocalSession& session, std::uint64_t after) {
  const std::uint64_t first_kept = noted_ - events_.size() + 1;
  const std::uint64_t first = std::max(after + 1, first_kept);
  const std::uint64_t last = std::min(noted_, first + kEventsPerReply - 1);
  std::vector<wire::EventEntry> entries;
  for (std::uint64_t number = first; number <= last; ++number) {
    const Happening& event = events_[number - first_kept];
    entries.push_back({.number = number,
                       .time_us = event.time_us,
                       .subject = event.subject,
                       .happened = event.happened,
                       .peer = event.peer,
                       .link = event.link,
                       .address = event.address,
                       .reason = event.reason});
  }
  session.reply(listing(entries));
}

}  // namespace qnet::agent
