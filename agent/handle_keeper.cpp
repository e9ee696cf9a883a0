// SPDX-License-Identifier: Apache-2.0
#include "agent/handle_keeper.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "transport/wire/file_ops.hpp"

namespace qnet::agent {
HandleKeeper::HandleKeeper(LocalHandles& handles, NodeCalls& calls, NetRoot& net_root, Barriers& barriers,
                           std::function<void()> on_lowered)
    : handles_(handles), calls_(calls), net_root_(net_root), barriers_(barriers), on_lowered_(std::move(on_lowered)) {}

void HandleKeeper::on_handle_ready(LocalHandle& handle) {
  take(handle, 0);
}

void HandleKeeper::take(LocalHandle& handle, std::uint64_t barrier) {
  const ssize_t count = recv(handle.end.get(), scratch_.data(), scratch_.size(), MSG_DONTWAIT);
  if (count > 0) {
    ++statistics_.stray_writes;
    statistics_.stray_bytes += static_cast<std::size_t>(count);
    return forward(handle, Buffer(ByteView(scratch_).first(static_cast<std::size_t>(count))), barrier);
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) handles_.again(handle);
  else close(handle);
  lower(barrier);
}

void HandleKeeper::forward(LocalHandle& handle, Buffer bytes, std::uint64_t barrier) {
  const HandleKey key = handle.key;
  const std::size_t count = bytes.size();
  if (key.node.is_root()) return handles_.again(handle);  // A directory: the bytes have nowhere to go.

  const wire::WriteRequest head;  // At the current offset, may block; the data are there already.
  QNET_CHECK(wire::encode(head, bytes.grow_front(wire::WriteRequest::kDataAt)).has_value());
  const bool is_waited_for = handle.kind == wire::HandleKind::kFile;
  if (is_waited_for && barrier == 0) barrier = barriers_.raise(key.node, handle.opener.user);
  auto on_reply = [this, key, barrier, count](const NodeReply& reply) {
    const auto written = wire::decode<wire::WriteReply>(reply.body.view());
    const std::size_t arrived = reply.error == 0 && written ? written->written_bytes : 0;
    statistics_.stray_bytes_lost += count - std::min(count, arrived);  // Nobody is left to be told.
    // What came meanwhile was written before the requests that wait now: the barrier stands until nothing is left.
    if (LocalHandle* still = handles_.find(key)) take(*still, barrier);
    else lower(barrier);
  };
  const wire::RequestHeader header{.opcode = static_cast<std::uint16_t>(wire::Opcode::kWrite),
                                   .handle = key.handle.value};
  const auto started = calls_.start({.node = key.node,
                                     .life = handle.life,
                                     .header = header,
                                     .caller = &handle.opener,
                                     .body = std::move(bytes),
                                     .on_reply = std::move(on_reply),
                                     .reason = "stray-write"},
                                    now());
  if (started) return;
  statistics_.stray_bytes_lost += count;
  handles_.again(handle);
  lower(barrier);
}

void HandleKeeper::close(LocalHandle& handle) {
  const HandleKey key = handle.key;
  ++statistics_.closes;
  if (key.node.is_root()) {
    net_root_.close(key.handle);
    return handles_.remove(key);
  }
  std::function<void()> on_done;
  if (handle.has_locks) {
    on_done = [this, barrier = barriers_.raise(key.node, handle.opener.user)] { lower(barrier); };
  }
  const Incarnation life = handle.life;
  const wire::Caller opener = handle.opener;
  handles_.remove(key);
  calls_.insist({key.node, life, wire::Opcode::kClose, key.handle, opener, "last-close"}, std::move(on_done), now());
}

void HandleKeeper::lower(std::uint64_t barrier) {
  if (barrier == 0) return;
  barriers_.lower(barrier);
  on_lowered_();
}

}  // namespace qnet::agent
