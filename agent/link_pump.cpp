// SPDX-License-Identifier: Apache-2.0
#include "agent/link_pump.hpp"

#include <algorithm>

#include "agent/log.hpp"
#include "transport/base/check.hpp"

namespace qnet::agent {

LinkPump::~LinkPump() {
  if (news_) reactor_.forget(news_->interfaces.descriptor(), *news_);
  for (const auto& port : ports_) reactor_.forget(port->driver->descriptor(), *port);
}

Result<LinkId> LinkPump::add(core::LinkProperties properties, std::unique_ptr<link::LinkDriver> driver) {
  auto port = std::make_unique<Port>();
  port->pump = this;
  port->name = properties.name;
  port->driver = std::move(driver);
  port->condition = port->driver->condition();
  properties.datagram_bytes_max = port->condition.datagram_bytes_max;
  properties.can_batch = port->driver->can_batch();
  properties.fault = port->condition.fault;
  port->id = engine_.add_link(properties);
  const core::LinkFault fault = port->condition.fault;
  if (fault != core::LinkFault::kNone) spdlog::warn("link {} cannot be used yet: {}", port->name, core::text_of(fault));
  if (const Status watched = reactor_.watch(port->driver->descriptor(), EPOLLIN, *port); !watched) {
    return fail(watched.error());
  }
  QNET_CHECK(port->id.value == ports_.size());
  ports_.push_back(std::move(port));
  return ports_.back()->id;
}

Status LinkPump::watch_interfaces() {
  Result<link::InterfaceNews> interfaces = link::InterfaceNews::open();
  if (!interfaces) return fail(interfaces.error());
  auto news = std::make_unique<News>(std::move(*interfaces));
  news->pump = this;
  if (const Status watched = reactor_.watch(news->interfaces.descriptor(), EPOLLIN, *news); !watched) return watched;
  news_ = std::move(news);
  const Instant at = now();
  for (const auto& port : ports_) port->look(at);  // What happened before there was anybody to tell.
  return {};
}

void LinkPump::News::on_ready(std::uint32_t) {
  if (!interfaces.read()) return;
  const Instant at = now();
  for (const auto& port : pump->ports_) port->look(at);
}

bool LinkPump::flush(Instant at) {
  for (int count = 0; count < kTransmitBurstMax; ++count) {
    const bool is_blocked =
        std::ranges::any_of(ports_, [](const auto& port) { return port->backlog_bytes >= kBacklogBytesMax; });
    if (is_blocked) return false;  // EPOLLOUT goes on from here.
    const std::optional<core::Transmit> transmit = engine_.next_transmit(at);
    if (!transmit) return false;
    ports_[transmit->link.value]->send(*transmit);
  }
  return true;
}

void LinkPump::flush_all(Instant at) {
  for (int bursts = 0; bursts < kLastBurstsMax && flush(at); ++bursts) {
  }
}

std::optional<LinkId> LinkPump::find(std::string_view name) const {
  const auto found = std::ranges::find_if(ports_, [name](const auto& port) { return port->name == name; });
  if (found == ports_.end()) return std::nullopt;
  return (*found)->id;
}

void LinkPump::Port::on_ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) send_backlog();
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) receive();
}

void LinkPump::Port::receive() {
  const Instant at = now();
  driver->receive(
      kReceiveBurstMax,
      [this, at](const core::Address& from, ByteView datagram) { pump->engine_.on_datagram(id, from, datagram, at); },
      [this, at](const core::Address& to, int error) { pump->engine_.on_send_error(id, to, error, at); });
}

void LinkPump::Port::send(const core::Transmit& transmit) {
  if (backlog.empty()) {
    const Status sent = driver->send(transmit.to, transmit.datagrams, transmit.segment_bytes);
    if (sent) return;
    if (sent.error().code != EAGAIN) return on_send_failed(transmit.to, sent.error().code);
    pump->reactor_.change(driver->descriptor(), EPOLLIN | EPOLLOUT, *this);
  }
  ++pump->blocked_sends_;
  backlog.push_back({transmit.to, transmit.segment_bytes, {transmit.datagrams.begin(), transmit.datagrams.end()}});
  backlog_bytes += transmit.datagrams.size();
}

void LinkPump::Port::look(Instant at) {
  looked_at = at;
  const core::LinkCondition before = std::exchange(condition, driver->condition());
  if (condition == before) return;
  if (condition.fault != before.fault) spdlog::info("link {}: {}", name, core::text_of(condition.fault));
  pump->engine_.on_link_condition(id, condition, at);
}

/// ECONNREFUSED is an answer to an earlier datagram, whose receiver may be another: receive() tells whose.
void LinkPump::Port::on_send_failed(const core::Address& to, int error) {
  // EINVAL: the address that we send from is not there.
  const bool is_about_us = error == ENETDOWN || error == EADDRNOTAVAIL || error == EINVAL || error == ENODEV;
  const bool is_too_long = error == EMSGSIZE;
  if (!is_about_us && !is_too_long && error != ENETUNREACH && error != EHOSTUNREACH) return;
  const Instant at = now();
  const core::LinkCondition before = condition;
  if (is_too_long || at - looked_at >= kLookInterval) look(at);
  if (condition == before) pump->engine_.on_send_error(id, to, error, at);  // Else the engine knows better already.
}

void LinkPump::Port::send_backlog() {
  while (!backlog.empty()) {
    const Blocked& oldest = backlog.front();
    const Status sent = driver->send(oldest.to, oldest.datagrams, oldest.segment_bytes);
    if (!sent && sent.error().code == EAGAIN) return;
    if (!sent) on_send_failed(oldest.to, sent.error().code);
    backlog_bytes -= oldest.datagrams.size();
    backlog.pop_front();
  }
  pump->reactor_.change(driver->descriptor(), EPOLLIN, *this);
}

}  // namespace qnet::agent
