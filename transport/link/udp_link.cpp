// SPDX-License-Identifier: Apache-2.0
#include "transport/link/udp_link.hpp"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "transport/base/check.hpp"
#include "transport/link/interface_state.hpp"
#include "transport/link/udp_address.hpp"
#include "transport/link/udp_self_test.hpp"

namespace qnet::link {
namespace {

/// Several full bursts of the fastest peer while the agent is busy elsewhere; above rmem_max only for CAP_NET_ADMIN.
constexpr int kSocketBufferBytes = 8 << 20;
constexpr std::size_t kReceiveSlots = 16;
/// Any UDP datagram, and anything that UDP_GRO makes of several.
constexpr std::size_t kReceiveSlotBytes = 65536;
/// How often one send is repeated because the error of an earlier datagram came back instead of a result.
constexpr int kSendAttemptsMax = 4;
/// ICMP errors read in one receive(); what remains is read in the next.
constexpr int kErrorBurstMax = 64;

bool set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

void set_buffer(int fd, int force, int plain) {
  if (!set_option(fd, SOL_SOCKET, force, kSocketBufferBytes)) set_option(fd, SOL_SOCKET, plain, kSocketBufferBytes);
}

/// What the path said of an earlier datagram; the socket itself is well.
bool is_answer_to_earlier(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
         error == ENONET || error == EACCES || error == ENOPROTOOPT || error == EPROTO;
}

/// Those that OnError knows; 0 for what is not a refusal.
int refusal_of(int error) {
  if (error == ENETUNREACH || error == ENETDOWN || error == ECONNREFUSED || error == EMSGSIZE) return error;
  return is_answer_to_earlier(error) ? EHOSTUNREACH : 0;
}

/// The kernel or the interface does not segment for us (or not this size).
bool is_segmenting_refused(int error) {
  return error == EIO || error == EINVAL || error == EMSGSIZE || error == ENOPROTOOPT || error == EOPNOTSUPP;
}

template <class Value>
Value value_of(const cmsghdr* control) {
  Value value;
  std::memcpy(&value, CMSG_DATA(control), sizeof value);
  return value;
}

}  // namespace

struct UdpLink::ReceiveSlots {
  ReceiveSlots() : memory(std::make_unique_for_overwrite<std::byte[]>(kReceiveSlots * kReceiveSlotBytes)) {
    for (std::size_t i = 0; i < kReceiveSlots; ++i) {
      parts[i] = {memory.get() + i * kReceiveSlotBytes, kReceiveSlotBytes};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = &names[i];
      messages[i].msg_hdr.msg_control = controls[i].bytes.data();
      make_ready(i);
    }
  }
  /// The kernel has overwritten the lengths with what it used.
  void make_ready(std::size_t i) {
    messages[i].msg_hdr.msg_namelen = sizeof names[i];
    messages[i].msg_hdr.msg_controllen = controls[i].bytes.size();
  }

  struct alignas(cmsghdr) Control {
    std::array<std::byte, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint32_t))> bytes;  // UDP_GRO, SO_RXQ_OVFL
  };
  std::array<mmsghdr, kReceiveSlots> messages{};
  std::array<iovec, kReceiveSlots> parts{};
  std::array<sockaddr_in6, kReceiveSlots> names{};
  std::array<Control, kReceiveSlots> controls{};
  const std::unique_ptr<std::byte[]> memory;
};

struct UdpLink::SendSlots {
  std::array<mmsghdr, kBatchSegmentsMax> messages{};
  std::array<iovec, kBatchSegmentsMax> parts{};
};

UdpLink::UdpLink(UniqueFd socket, const core::Address& local, const UdpOptions& options)
    : socket_(std::move(socket)),
      local_(local),
      options_(options),
      family_(family_of(local)),
      receive_(std::make_unique<ReceiveSlots>()),
      send_(std::make_unique<SendSlots>()) {}

UdpLink::~UdpLink() = default;

Result<std::unique_ptr<UdpLink>> UdpLink::open(const std::string& text, const UdpOptions& options) {
  const Result<core::Address> wanted = parse_udp_address(text);
  if (!wanted) return fail(wanted.error());
  const int family = family_of(*wanted);
  UniqueFd fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket");
  if (family == AF_INET6 && !set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) return fail_errno("IPV6_V6ONLY");
  const bool is_v4 = family == AF_INET;
  set_option(fd.get(), is_v4 ? int{IPPROTO_IP} : int{IPPROTO_IPV6}, is_v4 ? IP_FREEBIND : IPV6_FREEBIND, 1);
  if (bind(fd.get(), as_sockaddr(*wanted), wanted->size_bytes) != 0) return fail_errno("bind");

  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return fail_errno("getsockname");
  const core::Address local = from_sockaddr(reinterpret_cast<const sockaddr*>(&bound));
  std::unique_ptr<UdpLink> link(new UdpLink(std::move(fd), local, options));
  if (const Status status = link->set_options(); !status) return fail(status.error());
  link->condition();  // What it can is known from the start.
  return link;
}

Status UdpLink::set_options() {
  const int fd = socket_.get();
  const bool is_v4 = family_ == AF_INET;
  const int level = is_v4 ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
  if (!set_option(fd, level, is_v4 ? IP_RECVERR : IPV6_RECVERR, 1)) return fail_errno("IP_RECVERR");
  if (!set_option(fd, level, is_v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE)) {
    return fail_errno("IP_MTU_DISCOVER");
  }
  // Without the next ones the link works, only less well.
  set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  return {};
}

core::LinkCondition UdpLink::condition() {
  const InterfaceState state = interface_state(local_);
  if (state.fault != core::LinkFault::kNoAddress && !is_tested_) find_offloads();
  const std::size_t headers_bytes = family_ == AF_INET ? 20 + 8 : 40 + 8;
  const std::size_t mtu_bytes = std::min(state.mtu_bytes, options_.mtu_bytes);
  return {state.fault, std::clamp(mtu_bytes - headers_bytes, std::size_t{512}, kDatagramBytesMax)};
}

void UdpLink::find_offloads() {
  is_tested_ = true;
  const bool is_wanted = options_.may_segment || options_.may_coalesce;
  const UdpOffloads offloads = is_wanted ? probe_udp_offloads(local_) : UdpOffloads{};
  can_segment_ = options_.may_segment && offloads.can_segment;
  mode_ = can_segment_ ? SendMode::kSegmented : SendMode::kMany;
  is_coalescing_ = options_.may_coalesce && offloads.can_coalesce && set_option(socket_.get(), IPPROTO_UDP, UDP_GRO, 1);
}

Result<core::Address> UdpLink::parse_address(const std::string& text) const {
  Result<core::Address> address = parse_udp_address(text);
  if (!address) return address;
  if (family_of(*address) != family_) return fail(EINVAL, "address of another family than the link's");
  if (port_of(*address) == 0 || is_any(*address)) return fail(EINVAL, "address is no destination");
  if (is_link_local(*address) && scope_of(*address) == 0) {
    if (scope_of(local_) == 0) return fail(EINVAL, "link-local address without %interface");
    return with_scope(*address, scope_of(local_));
  }
  return address;
}

std::string UdpLink::format_address(const core::Address& address) const {
  return format_udp_address(address);
}

bool UdpLink::receive(int burst_max, const OnDatagram& on_datagram, const OnError& on_error) {
  if (has_errors_) drain_errors(on_error);
  ReceiveSlots& slots = *receive_;
  for (int burst = 0; burst < burst_max; ++burst) {
    const int count = recvmmsg(socket_.get(), slots.messages.data(), kReceiveSlots, MSG_DONTWAIT, nullptr);
    ++statistics_.receive_calls;
    if (count < 0) {
      // An ICMP error comes before the datagrams. Woken up for nothing: one may lie in the queue whose announcement a
      // send has swallowed, and the descriptor stays readable until it is read.
      const bool is_empty = errno == EAGAIN;
      if (!is_empty || burst == 0) drain_errors(on_error);
      if (is_empty) return has_errors_;
      continue;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const mmsghdr& message = slots.messages[i];
      hand_over(message.msg_hdr, {slots.memory.get() + i * kReceiveSlotBytes, message.msg_len}, on_datagram);
      slots.make_ready(i);
    }
    if (static_cast<std::size_t>(count) < kReceiveSlots) return has_errors_;
  }
  return true;
}

void UdpLink::hand_over(const msghdr& message, ByteView bytes, const OnDatagram& on_datagram) {
  std::size_t segment_bytes = bytes.size();
  for (const cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(const_cast<msghdr*>(&message), const_cast<cmsghdr*>(control))) {
    if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
      segment_bytes = static_cast<std::size_t>(std::max(1, value_of<int>(control)));
    } else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL) {
      note_drops(value_of<std::uint32_t>(control));
    }
  }
  const core::Address from = from_sockaddr(static_cast<const sockaddr*>(message.msg_name));
  while (!bytes.empty()) {
    const std::size_t size_bytes = std::min(segment_bytes, bytes.size());
    on_datagram(from, bytes.first(size_bytes));
    bytes = bytes.subspan(size_bytes);
  }
}

void UdpLink::note_drops(std::uint32_t drops_total) {
  statistics_.kernel_drops += drops_total - drops_seen_;  // modulo 2^32, as the kernel counts
  drops_seen_ = drops_total;
}

void UdpLink::drain_errors(const OnError& on_error) {
  has_errors_ = true;
  struct alignas(cmsghdr) Control {
    std::array<std::byte, 512> bytes;
  };
  for (int count = 0; count < kErrorBurstMax; ++count) {
    Control control;
    sockaddr_in6 name{};
    msghdr message{};
    message.msg_name = &name;
    message.msg_namelen = sizeof name;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    if (recvmsg(socket_.get(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
      has_errors_ = false;
      return;
    }
    for (const cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(part))) {
      const bool is_error = (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR) ||
                            (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR);
      if (!is_error || message.msg_namelen == 0) continue;
      const auto error = value_of<sock_extended_err>(part);
      if (error.ee_origin == SO_EE_ORIGIN_LOCAL) continue;  // send() has returned it
      const int refusal = refusal_of(static_cast<int>(error.ee_errno));
      if (refusal != 0) on_error(from_sockaddr(reinterpret_cast<const sockaddr*>(&name)), refusal);
    }
  }
}

Status UdpLink::send(const core::Address& to, ByteView datagrams, std::size_t segment_bytes) {
  QNET_CHECK(segment_bytes > 0 && !datagrams.empty());
  if (family_of(to) != family_) return fail(EINVAL, "send: address of another family");
  last_error_ = 0;
  std::size_t done = take_up(to, datagrams);
  while (done < datagrams.size()) {
    const Result<std::size_t> taken = send_some(to, datagrams.subspan(done), segment_bytes);
    if (!taken) {
      stopped_ = {.to = to, .size_bytes = datagrams.size(), .done_bytes = done};
      std::ranges::copy(datagrams.first(std::min(datagrams.size(), stopped_.beginning.size())),
                        stopped_.beginning.begin());
      return fail(taken.error());
    }
    done += *taken;
  }
  return last_error_ == 0 ? Status{} : fail(last_error_, "sendmsg");
}

std::size_t UdpLink::take_up(const core::Address& to, ByteView datagrams) {
  const Stopped stopped = std::exchange(stopped_, {});
  if (stopped.size_bytes != datagrams.size() || stopped.to != to) return 0;
  const std::size_t compared = std::min(datagrams.size(), stopped.beginning.size());
  return std::memcmp(datagrams.data(), stopped.beginning.data(), compared) == 0 ? stopped.done_bytes : 0;
}

/// Returns how many bytes are sent or lost; EAGAIN if none.
Result<std::size_t> UdpLink::send_some(const core::Address& to, ByteView datagrams, std::size_t segment_bytes) {
  if (datagrams.size() <= segment_bytes) return send_single(to, datagrams);
  const bool is_retry = mode_ == SendMode::kMany && can_segment_ && --batches_until_retry_ <= 0;
  if (mode_ == SendMode::kSegmented || is_retry) {
    const std::size_t segments = std::min(kBatchSegmentsMax, kBatchBytesMax / segment_bytes);
    if (segments < 2) return send_single(to, datagrams.first(segment_bytes));
    return send_segmented(to, datagrams.first(std::min(datagrams.size(), segments * segment_bytes)), segment_bytes);
  }
  if (mode_ == SendMode::kMany) return send_many(to, datagrams, segment_bytes);
  return send_single(to, datagrams.first(segment_bytes));
}

Result<std::size_t> UdpLink::send_segmented(const core::Address& to, ByteView batch, std::size_t segment_bytes) {
  iovec part{const_cast<std::byte*>(batch.data()), batch.size()};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> control{};
  msghdr message{};
  message.msg_name = const_cast<std::byte*>(to.bytes.data());
  message.msg_namelen = to.size_bytes;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto segment = static_cast<std::uint16_t>(segment_bytes);
  std::memcpy(CMSG_DATA(header), &segment, sizeof segment);

  const auto call = [&] { return static_cast<int>(sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL)); };
  if (call_send(call) >= 0) {
    mode_ = SendMode::kSegmented;
    return batch.size();
  }
  const int error = errno;
  if (error == EAGAIN) return fail(error, "sendmsg");
  if (!is_segmenting_refused(error)) {
    count_lost(error);
    return batch.size();
  }
  const std::uint64_t errors_before = statistics_.send_errors;
  const Result<std::size_t> taken = send_many(to, batch, segment_bytes);
  if (taken && *taken == batch.size() && statistics_.send_errors == errors_before) {
    mode_ = SendMode::kMany;
    batches_until_retry_ = kSegmentingRetryBatches;
  }
  return taken;
}

Result<std::size_t> UdpLink::send_many(const core::Address& to, ByteView datagrams, std::size_t segment_bytes) {
  SendSlots& slots = *send_;
  std::size_t count = 0;
  std::size_t planned_bytes = 0;
  for (; count < kBatchSegmentsMax && planned_bytes < datagrams.size(); ++count) {
    const ByteView datagram =
        datagrams.subspan(planned_bytes).first(std::min(segment_bytes, datagrams.size() - planned_bytes));
    slots.parts[count] = {const_cast<std::byte*>(datagram.data()), datagram.size()};
    msghdr& header = slots.messages[count].msg_hdr;
    header = {};
    header.msg_name = const_cast<std::byte*>(to.bytes.data());
    header.msg_namelen = to.size_bytes;
    header.msg_iov = &slots.parts[count];
    header.msg_iovlen = 1;
    planned_bytes += datagram.size();
  }
  const auto call = [&] {
    return sendmmsg(socket_.get(), slots.messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
  };
  const int sent = call_send(call);
  has_errors_ = has_errors_ || (sent > 0 && static_cast<std::size_t>(sent) < count);
  if (sent >= 0) return std::min(planned_bytes, static_cast<std::size_t>(sent) * segment_bytes);
  if (errno == EAGAIN) return fail(EAGAIN, "sendmmsg");
  if (errno == ENOSYS) {
    mode_ = SendMode::kSingle;
    return send_single(to, datagrams.first(segment_bytes));
  }
  count_lost(errno);
  return planned_bytes;
}

Result<std::size_t> UdpLink::send_single(const core::Address& to, ByteView datagram) {
  const auto call = [&] {
    return static_cast<int>(sendto(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                   as_sockaddr(to), to.size_bytes));
  };
  if (call_send(call) >= 0) return datagram.size();
  if (errno == EAGAIN) return fail(EAGAIN, "sendto");
  count_lost(errno);
  return datagram.size();
}

/// Makes the system call, and again where its error was not about these datagrams. Leaves errno.
template <class Call>
int UdpLink::call_send(const Call& call) {
  for (int attempt = 1;; ++attempt) {
    ++statistics_.send_calls;
    const int result = call();
    if (result >= 0 || attempt == kSendAttemptsMax) return result;
    // EMSGSIZE, too, may be what a router said of an earlier one.
    if (is_answer_to_earlier(errno) || (errno == EMSGSIZE && attempt == 1)) {
      has_errors_ = true;  // reading sock_err has cleared it; the queue keeps whom it was about
    } else if (errno != EINTR) {
      return result;
    }
  }
}

void UdpLink::count_lost(int error) {
  ++statistics_.send_errors;
  last_error_ = error;
}

Result<std::unique_ptr<LinkDriver>> make_udp_link(const std::string& text, const LinkOptions& options) {
  Result<std::unique_ptr<UdpLink>> link = UdpLink::open(text, {.mtu_bytes = options.mtu_bytes});
  if (!link) return fail(link.error());
  return std::unique_ptr<LinkDriver>(std::move(*link));
}

}  // namespace qnet::link
