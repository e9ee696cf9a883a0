// SPDX-License-Identifier: Apache-2.0
//
// fake_stream_link.hpp: what does the contract ask of a driver whose carrier is a stream of bytes with one far end?
//
// The least that a serial line or a pipe needs: a length before each datagram, a rest of it kept when the carrier is
// full, and an address that says "the other end". One end of a socketpair; nothing corrupts it, so there is no CRC.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "transport/base/unique_fd.hpp"
#include "transport/link/link_driver.hpp"

namespace qnet::link {

class FakeStreamLink final : public LinkDriver {
 public:
  static constexpr std::size_t kDatagramBytesMax = 4000;
  static constexpr std::size_t kReadBytes = 4096;

  static std::pair<std::unique_ptr<LinkDriver>, std::unique_ptr<LinkDriver>> open_pair() {
    std::array<int, 2> ends{-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) return {};
    return {std::make_unique<FakeStreamLink>(UniqueFd(ends[0])), std::make_unique<FakeStreamLink>(UniqueFd(ends[1]))};
  }
  static core::Address other_end() {
    core::Address address;
    address.size_bytes = 1;
    return address;
  }

  explicit FakeStreamLink(UniqueFd carrier) : carrier_(std::move(carrier)) {}

  int descriptor() const override { return carrier_.get(); }
  bool can_batch() const override { return true; }
  core::LinkCondition condition() override {
    std::byte next;
    const bool is_closed = recv(carrier_.get(), &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    return {is_closed ? core::LinkFault::kNoCarrier : core::LinkFault::kNone, kDatagramBytesMax};
  }
  Result<core::Address> parse_address(const std::string& text) const override {
    if (text != "peer") return fail(EINVAL, "address of a stream");
    return other_end();
  }
  std::string format_address(const core::Address&) const override { return "peer"; }
  const LinkStatistics& statistics() const override { return statistics_; }

  bool receive(int burst_max, const OnDatagram& on_datagram, const OnError&) override {
    std::array<std::byte, kReadBytes> bytes;
    for (int burst = 0; burst < burst_max; ++burst) {
      ++statistics_.receive_calls;
      const ssize_t count = recv(carrier_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (count <= 0) return false;
      in_.insert(in_.end(), bytes.begin(), bytes.begin() + count);
      hand_over(on_datagram);
    }
    return true;
  }

  Status send(const core::Address&, ByteView datagrams, std::size_t segment_bytes) override {
    const bool is_repeated = !out_.empty() && std::ranges::equal(datagrams, stopped_);
    if (!is_repeated) {
      for (std::size_t at = 0; at < datagrams.size(); at += segment_bytes) {
        const ByteView datagram = datagrams.subspan(at, std::min(segment_bytes, datagrams.size() - at));
        const auto length = static_cast<std::uint16_t>(datagram.size());
        const auto* head = reinterpret_cast<const std::byte*>(&length);
        out_.insert(out_.end(), head, head + sizeof length);
        out_.insert(out_.end(), datagram.begin(), datagram.end());
      }
    }
    while (!out_.empty()) {
      ++statistics_.send_calls;
      const ssize_t count = ::send(carrier_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0) {
        if (errno != EAGAIN) return lose(errno);
        stopped_.assign(datagrams.begin(), datagrams.end());
        return fail(EAGAIN, "send");
      }
      out_.erase(out_.begin(), out_.begin() + count);
    }
    return {};
  }

 private:
  void hand_over(const OnDatagram& on_datagram) {
    std::size_t at = 0;
    std::uint16_t length = 0;
    while (in_.size() - at >= sizeof length) {
      std::memcpy(&length, in_.data() + at, sizeof length);
      if (in_.size() - at - sizeof length < length) break;
      on_datagram(other_end(), ByteView(in_).subspan(at + sizeof length, length));
      at += sizeof length + length;
    }
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  Status lose(int error) {
    ++statistics_.send_errors;
    out_.clear();
    return fail(error, "send");
  }

  const UniqueFd carrier_;
  std::vector<std::byte> in_;       // a datagram that has not come whole
  std::vector<std::byte> out_;      // what the carrier had no room for
  std::vector<std::byte> stopped_;  // the batch that met EAGAIN
  LinkStatistics statistics_;
};

}  // namespace qnet::link
