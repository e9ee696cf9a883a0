// SPDX-License-Identifier: Apache-2.0
//
// udp_link.hpp: how do datagrams travel by UDP, as fast as the kernel can move them?
//
// One unconnected socket per link, bound to the link's address. A batch leaves as one super-packet (UDP_SEGMENT) and
// arrives as one (UDP_GRO) where the kernel and the interface can; else the link steps down:
//
//              a batch is refused whose datagrams are taken singly
//   kSegmented ───────────────────────────────────────────────────► kMany (sendmmsg) ── ENOSYS ──► kSingle
//              ◄─────────────────────────────────────────────────── a batch in kSegmentingRetryBatches goes through
//
// Datagrams carry "don't fragment", and the kernel's own idea of the path's MTU is not asked for. One that is too long
// is lost with EMSGSIZE, and the engine sends its contents again in smaller ones (core/datagram_size.hpp).
//
// The socket is bound whether its address is there or not (IP_FREEBIND), and so outlives its absence; the kernel sends
// nothing from an address that is not there.
//
// Threads:  one; the agent's strand.
// Not here: what the bytes mean, who the peers are (core/engine.hpp); waiting (agent/link_pump.hpp).
// Source:   udp(7), ip(7), Linux Documentation/networking/segmentation-offloads.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <string>

#include "transport/base/unique_fd.hpp"
#include "transport/link/link_driver.hpp"

namespace qnet::link {

struct UdpOptions {
  bool may_segment = true;   // false: never UDP_SEGMENT
  bool may_coalesce = true;  // false: never UDP_GRO
  std::size_t mtu_bytes = LinkOptions().mtu_bytes;
};

class UdpLink final : public LinkDriver {
 public:
  /// One super-packet with all its headers must stay below 64 KiB, or the kernel cuts it in software before the cable.
  static constexpr std::size_t kBatchBytesMax = 65400;
  /// UDP_MAX_SEGMENTS of older kernels.
  static constexpr std::size_t kBatchSegmentsMax = 64;
  /// Largest datagram offered to the engine, where the MTU allows more (loopback): four to a batch.
  static constexpr std::size_t kDatagramBytesMax = 16336;
  /// After a step down, how many batches go by until segmentation is tried again.
  static constexpr int kSegmentingRetryBatches = 1024;

  /// `text` as make_link_driver() has it, without the scheme. Port 0 lets the kernel choose (tests).
  static Result<std::unique_ptr<UdpLink>> open(const std::string& text, const UdpOptions& options = {});
  ~UdpLink() override;

  int descriptor() const override { return socket_.get(); }
  core::LinkCondition condition() override;
  bool can_batch() const override { return true; }
  Result<core::Address> parse_address(const std::string& text) const override;
  std::string format_address(const core::Address& address) const override;
  bool receive(int burst_max, const OnDatagram& on_datagram, const OnError& on_error) override;
  /// A batch that met EAGAIN half-way is taken up where it stopped when the same batch comes again.
  Status send(const core::Address& to, ByteView datagrams, std::size_t segment_bytes) override;
  const LinkStatistics& statistics() const override { return statistics_; }

  /// Where the socket is bound, with the port that it got.
  const core::Address& local_address() const { return local_; }
  bool is_segmenting() const { return mode_ == SendMode::kSegmented; }
  bool is_coalescing() const { return is_coalescing_; }

 private:
  enum class SendMode { kSegmented, kMany, kSingle };
  struct ReceiveSlots;
  struct SendSlots;
  /// Where a batch stopped at EAGAIN. The first bytes hold the packet number, so they tell batches apart.
  struct Stopped {
    core::Address to;
    std::array<std::byte, 32> beginning{};
    std::size_t size_bytes = 0;  // 0: no batch is waiting
    std::size_t done_bytes = 0;
  };

  UdpLink(UniqueFd socket, const core::Address& local, const UdpOptions& options);

  Status set_options();
  void find_offloads();
  void hand_over(const msghdr& message, ByteView bytes, const OnDatagram& on_datagram);
  void note_drops(std::uint32_t drops_total);
  void drain_errors(const OnError& on_error);

  std::size_t take_up(const core::Address& to, ByteView datagrams);
  Result<std::size_t> send_some(const core::Address& to, ByteView datagrams, std::size_t segment_bytes);
  Result<std::size_t> send_segmented(const core::Address& to, ByteView batch, std::size_t segment_bytes);
  Result<std::size_t> send_many(const core::Address& to, ByteView datagrams, std::size_t segment_bytes);
  Result<std::size_t> send_single(const core::Address& to, ByteView datagram);
  template <class Call>
  int call_send(const Call& call);
  void count_lost(int error);

  const UniqueFd socket_;
  const core::Address local_;
  const UdpOptions options_;
  const int family_;
  bool is_tested_ = false;  // find_offloads() has run
  SendMode mode_ = SendMode::kMany;
  bool can_segment_ = false;     // the self-test says so
  int batches_until_retry_ = 0;  // in kMany, if can_segment_
  bool is_coalescing_ = false;
  bool has_errors_ = false;       // the error queue holds something that send() stumbled over
  int last_error_ = 0;            // of the running send()
  std::uint32_t drops_seen_ = 0;  // the kernel's counter as last told, wraps
  Stopped stopped_;
  LinkStatistics statistics_;
  const std::unique_ptr<ReceiveSlots> receive_;
  const std::unique_ptr<SendSlots> send_;
};

/// For the factory's list.
Result<std::unique_ptr<LinkDriver>> make_udp_link(const std::string& text, const LinkOptions& options);

}  // namespace qnet::link
