// SPDX-License-Identifier: Apache-2.0
//
// What is UDP's own: interfaces, MTU, the steps down, a full socket.
#include "transport/link/udp_link.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "tests/unit/link/link_rig.hpp"
#include "tests/unit/link/private_network.hpp"
#include "transport/link/interface_news.hpp"

namespace qnet::link {
namespace {

std::unique_ptr<UdpLink> open(const char* text, const UdpOptions& options = {}) {
  Result<std::unique_ptr<UdpLink>> link = UdpLink::open(text, options);
  EXPECT_TRUE(link.has_value()) << text << ": " << link.error().where << ' ' << link.error().code;
  return link ? std::move(*link) : nullptr;
}

TEST(UdpLinkTest, TheFactoryKnowsIt) {
  const auto driver = make_link_driver("udp:127.0.0.1:0");
  ASSERT_TRUE(driver.has_value());
  EXPECT_GE((*driver)->descriptor(), 0);
  for (const char* text : {"", "udp", "udp:", "tcp:127.0.0.1", "127.0.0.1", "udp:nonsense", "udp:127.0.0.1:x"}) {
    EXPECT_EQ(make_link_driver(text).error().code, EINVAL) << text;
  }
}

TEST(UdpLinkTest, SaysWhyItCannotBind) {
  const auto first = open("127.0.0.1:0");
  EXPECT_EQ(UdpLink::open(first->format_address(first->local_address())).error().code, EADDRINUSE);
}

TEST(UdpLinkTest, UsesTheKernelsOffloads) {
  const auto link = open("127.0.0.1:0");
  EXPECT_TRUE(link->is_segmenting());
  EXPECT_TRUE(link->is_coalescing());
  EXPECT_FALSE(open("127.0.0.1:0", {.may_segment = false})->is_segmenting());
  EXPECT_FALSE(open("127.0.0.1:0", {.may_coalesce = false})->is_coalescing());
  EXPECT_TRUE(open("0.0.0.0:0")->is_segmenting());
  EXPECT_TRUE(open("[::]:0")->is_coalescing());
}

TEST(UdpLinkTest, ABatchIsOneCallOnEachSide) {
  const auto alpha = open("127.0.0.1:0"), beta = open("127.0.0.1:0");
  const std::vector<Bytes> sent = make_datagrams(40, 1400, 1400);
  ASSERT_TRUE(alpha->send(beta->local_address(), join(sent), 1400).has_value());
  Inbox inbox;
  ASSERT_TRUE(inbox.receive_count(*beta, 40));
  EXPECT_EQ(alpha->statistics().send_calls, 1u);
  EXPECT_EQ(beta->statistics().receive_calls, 1u);
}

TEST(UdpLinkTest, RefusesDestinationsOfNoUse) {
  const auto v4 = open("127.0.0.1:0"), v6 = open("[::1]:0");
  EXPECT_EQ(v4->parse_address("[::1]").error().code, EINVAL);
  EXPECT_EQ(v6->parse_address("127.0.0.1").error().code, EINVAL);
  EXPECT_EQ(v4->parse_address("127.0.0.1:0").error().code, EINVAL);
  EXPECT_EQ(v4->parse_address("0.0.0.0").error().code, EINVAL);
  EXPECT_EQ(v6->parse_address("[fe80::1]").error().code, EINVAL) << "which interface?";
  EXPECT_TRUE(v6->parse_address("[fe80::1%lo]").has_value());
  const Bytes datagram = make_datagram(1, 10);
  EXPECT_EQ(v4->send(v6->local_address(), datagram, 10).error().code, EINVAL);
}

TEST(UdpLinkTest, TheDatagramFollowsTheInterface) {
  in_private_network([] {
    EXPECT_EQ(open("127.0.0.1")->condition().datagram_bytes_max, UdpLink::kDatagramBytesMax);
    ASSERT_TRUE(run("ip link set lo mtu 9000"));
    EXPECT_EQ(open("127.0.0.1")->condition().datagram_bytes_max, 9000u - 28);
    ASSERT_TRUE(run("ip link set lo mtu 1500"));
    EXPECT_EQ(open("127.0.0.1")->condition().datagram_bytes_max, 1472u);
    EXPECT_EQ(open("127.8.9.10")->condition().datagram_bytes_max, 1472u) << "an address by its network";
    EXPECT_EQ(open("[::1]")->condition().datagram_bytes_max, 1452u);
    EXPECT_EQ(open("0.0.0.0")->condition().datagram_bytes_max, 1472u);
    ASSERT_TRUE(run("ip link add en0 mtu 4000 type veth peer name en1") && run("ip address add 10.9.8.7/24 dev en0"));
    ASSERT_TRUE(run("ip link set en0 up"));
    EXPECT_EQ(open("10.9.8.7")->condition().datagram_bytes_max, 4000u - 28);
    EXPECT_EQ(open("0.0.0.0")->condition().datagram_bytes_max, 4000u - 28)
        << "loopback is not what a node is reached by";
  });
}

TEST(UdpLinkTest, LinkLocalAddressesTakeTheLinksInterface) {
  in_private_network([] {
    ASSERT_TRUE(run("ip link add en0 type veth peer name en1") && run("ip address add fe80::7/64 dev en0 nodad"));
    ASSERT_TRUE(run("ip address add fe80::8/64 dev en0 nodad") && run("ip link set en0 up") &&
                run("ip link set en1 up"));
    const auto alpha = open("[fe80::7%en0]"), beta = open("[fe80::8%en0]");
    ASSERT_TRUE(alpha && beta);
    const Result<core::Address> to = alpha->parse_address("[fe80::8]");
    ASSERT_TRUE(to.has_value());
    EXPECT_EQ(*to, beta->local_address());
    const Bytes datagram = make_datagram(1, 100);
    ASSERT_TRUE(alpha->send(*to, datagram, datagram.size()).has_value());
    Inbox inbox;
    ASSERT_TRUE(inbox.receive_count(*beta, 1));
    EXPECT_EQ(inbox.senders[0], alpha->local_address());
  });
}

/// The MTU shrinks under a running link: what is too long is lost and said to be, what fits goes on as before.
void expect_life_with_smaller_mtu(const char* address) {
  ASSERT_TRUE(run("ip link set lo mtu 1500"));
  const auto alpha = open(address), beta = open(address);
  ASSERT_TRUE(alpha && beta);
  const std::size_t long_bytes = alpha->condition().datagram_bytes_max;
  ASSERT_TRUE(run("ip link set lo mtu 1300"));
  const std::vector<Bytes> too_long = make_datagrams(40, long_bytes, long_bytes);
  const Status lost = alpha->send(beta->local_address(), join(too_long), long_bytes);
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().code, EMSGSIZE);
  const std::size_t short_bytes = alpha->condition().datagram_bytes_max;
  EXPECT_EQ(short_bytes, long_bytes - 200);
  const std::vector<Bytes> sent = make_datagrams(40, short_bytes, 99);
  EXPECT_TRUE(alpha->send(beta->local_address(), join(sent), short_bytes).has_value());
  EXPECT_TRUE(alpha->is_segmenting());
  Inbox inbox;
  EXPECT_TRUE(inbox.receive_count(*beta, sent.size()));
  EXPECT_EQ(inbox.datagrams, sent) << "nothing was sent in fragments";
  Inbox unused;
  unused.receive_once(*alpha);
  EXPECT_TRUE(unused.refusals.empty()) << "it has been told already";
  pollfd waiting{alpha->descriptor(), POLLIN, 0};
  EXPECT_EQ(poll(&waiting, 1, 0), 0) << "the kernel's note about the length has been read";
}

TEST(UdpLinkTest, ASmallerMtuIsToldAndNotHiddenByFragments) {
  in_private_network([] { expect_life_with_smaller_mtu("127.0.0.1:0"); });
}

TEST(UdpLinkTest, ASmallerMtuIsToldAndNotHiddenByFragmentsIpv6) {
  in_private_network([] { expect_life_with_smaller_mtu("[::1]:0"); });
}

TEST(UdpLinkTest, AConfiguredMtuCounts) {
  const auto link = open("127.0.0.1:0", {.mtu_bytes = 1400});
  EXPECT_EQ(link->condition().datagram_bytes_max, 1372u);
  EXPECT_EQ((*make_link_driver("udp:[::1]:0", {.mtu_bytes = 1400}))->condition().datagram_bytes_max, 1352u);
}

TEST(UdpLinkTest, StepsDownWhenSegmentationIsRefusedAndTriesItAgain) {
  const auto alpha = open("127.0.0.1:0"), beta = open("127.0.0.1:0");
  const std::vector<Bytes> sent = make_datagrams(2, 8, 8);
  const int without_checksum = 1, with_checksum = 0;  // the kernel refuses to segment without
  ASSERT_EQ(setsockopt(alpha->descriptor(), SOL_SOCKET, SO_NO_CHECK, &without_checksum, sizeof(int)), 0);
  ASSERT_TRUE(alpha->send(beta->local_address(), join(sent), 8).has_value());
  EXPECT_FALSE(alpha->is_segmenting());
  ASSERT_EQ(setsockopt(alpha->descriptor(), SOL_SOCKET, SO_NO_CHECK, &with_checksum, sizeof(int)), 0);
  Inbox inbox;
  for (int i = 1; i <= UdpLink::kSegmentingRetryBatches; ++i) {
    EXPECT_FALSE(alpha->is_segmenting());
    ASSERT_TRUE(alpha->send(beta->local_address(), join(sent), 8).has_value());
    inbox.receive_once(*beta);
  }
  EXPECT_TRUE(alpha->is_segmenting());
  EXPECT_TRUE(inbox.receive_count(*beta, 2 + 2 * UdpLink::kSegmentingRetryBatches));
}

TEST(UdpLinkTest, OutlivesTheLossOfItsAddress) {
  in_private_network([] {
    ASSERT_TRUE(run("ip address add 10.5.5.1/32 dev lo") && run("ip address add 10.5.5.2/32 dev lo"));
    const auto alpha = open("10.5.5.1"), beta = open("10.5.5.2");
    const std::vector<Bytes> sent = make_datagrams(5, 1000, 10);
    ASSERT_TRUE(run("ip address delete 10.5.5.1/32 dev lo"));
    const Status lost = alpha->send(beta->local_address(), join(sent), 1000);
    ASSERT_FALSE(lost.has_value());
    EXPECT_NE(lost.error().code, EAGAIN);
    EXPECT_EQ(alpha->statistics().send_errors, 1u);
    ASSERT_TRUE(run("ip address add 10.5.5.1/32 dev lo"));
    ASSERT_TRUE(alpha->send(beta->local_address(), join(sent), 1000).has_value());
    EXPECT_TRUE(alpha->is_segmenting()) << "that was not about segmentation";
    Inbox inbox;
    ASSERT_TRUE(inbox.receive_count(*beta, sent.size()));
    EXPECT_EQ(inbox.datagrams, sent);
  });
}

TEST(UdpLinkTest, WaitsForAnAddressThatIsNotThereYet) {
  in_private_network([] {
    const auto alpha = open("10.5.5.1"), beta = open("127.0.0.1");
    ASSERT_TRUE(alpha);
    EXPECT_EQ(alpha->condition().fault, core::LinkFault::kNoAddress);
    EXPECT_FALSE(alpha->is_segmenting()) << "nothing could be tried";
    const Bytes datagram = make_datagram(1, 100);
    EXPECT_FALSE(alpha->send(beta->local_address(), datagram, datagram.size()).has_value());
    ASSERT_TRUE(run("ip address add 10.5.5.1/32 dev lo"));
    EXPECT_EQ(alpha->condition().fault, core::LinkFault::kNone);
    EXPECT_TRUE(alpha->is_segmenting());
    EXPECT_TRUE(alpha->is_coalescing());
    ASSERT_TRUE(alpha->send(beta->local_address(), datagram, datagram.size()).has_value());
    Inbox inbox;
    ASSERT_TRUE(inbox.receive_count(*beta, 1));
    EXPECT_EQ(inbox.senders[0], alpha->local_address());
  });
}

TEST(UdpLinkTest, KnowsWhatIsWrongWithItsInterface) {
  in_private_network([] {
    ASSERT_TRUE(run("ip link add en0 type veth peer name en1") && run("ip address add 10.9.8.7/24 dev en0"));
    ASSERT_TRUE(run("ip address add fd00::7/64 dev en0 nodad && ip link set en1 up && ip link set en0 up"));
    const auto v4 = open("10.9.8.7"), v6 = open("[fd00::7]"), everywhere = open("0.0.0.0:0"),
               other = open("127.8.9.10");
    const auto faults = [&] { return std::pair(v4->condition().fault, v6->condition().fault); };
    const auto both = [](core::LinkFault fault) { return std::pair(fault, fault); };
    EXPECT_EQ(faults(), both(core::LinkFault::kNone));
    ASSERT_TRUE(run("ip link set en1 down"));
    EXPECT_EQ(faults(), both(core::LinkFault::kNoCarrier));
    ASSERT_TRUE(run("ip link set en1 up"));
    EXPECT_EQ(faults(), both(core::LinkFault::kNone));
    ASSERT_TRUE(run("ip link set en0 down"));
    EXPECT_EQ(v4->condition().fault, core::LinkFault::kInterfaceDown);
    EXPECT_EQ(v6->condition().fault, core::LinkFault::kNoAddress) << "the kernel takes IPv6 addresses away";
    ASSERT_TRUE(run("ip link set en0 up && ip address delete 10.9.8.7/24 dev en0"));
    EXPECT_EQ(v4->condition().fault, core::LinkFault::kNoAddress);
    EXPECT_EQ(everywhere->condition().fault, core::LinkFault::kNone);
    EXPECT_EQ(other->condition().fault, core::LinkFault::kNone) << "ours, although on no interface";
  });
}

TEST(InterfaceNewsTest, TellsOfCarrierAddressesAndMtu) {
  in_private_network([] {
    ASSERT_TRUE(run("ip link add en0 type veth peer name en1 && ip link set en0 up && ip link set en1 up"));
    Result<InterfaceNews> news = InterfaceNews::open();
    ASSERT_TRUE(news.has_value());
    EXPECT_FALSE(news->read()) << "nothing has changed since";
    for (const char* change : {"ip address add 10.9.8.7/24 dev en0", "ip address delete 10.9.8.7/24 dev en0",
                               "ip address add fd00::7/64 dev en0 nodad", "ip link set en0 mtu 1300",
                               "ip link set en1 down", "ip link set en0 down"}) {
      while (news->read()) {
      }
      ASSERT_TRUE(run(change));
      pollfd waiting{news->descriptor(), POLLIN, 0};
      EXPECT_EQ(poll(&waiting, 1, 5000), 1) << change;
      EXPECT_TRUE(news->read()) << change;
    }
  });
}

TEST(UdpLinkTest, WithoutARouteTheDatagramsAreLostAndCounted) {
  in_private_network([] {
    const auto link = open("127.0.0.1");
    const std::vector<Bytes> sent = make_datagrams(4, 100, 100);
    const Status status = link->send(*link->parse_address("10.1.2.3"), join(sent), 100);
    ASSERT_FALSE(status.has_value());
    EXPECT_NE(status.error().code, EAGAIN);
    EXPECT_EQ(link->statistics().send_errors, 1u);
    EXPECT_TRUE(link->send(link->local_address(), sent[0], 100).has_value()) << "the link itself is well";
  });
}

/// A slow queue behind the socket: EAGAIN, and after each wait the same batch goes on where it stopped.
void expect_each_datagram_once(const UdpOptions& options) {
  ASSERT_TRUE(run("ip link set lo mtu 1500"));
  ASSERT_TRUE(run("tc qdisc add dev lo root tbf rate 40mbit burst 8kb limit 64mb"));
  const auto alpha = open("127.0.0.1:0", options), beta = open("127.0.0.1:0", options);
  ASSERT_TRUE(alpha && beta);
  const int small = 64 << 10;
  ASSERT_EQ(setsockopt(alpha->descriptor(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  const std::vector<Bytes> sent = make_datagrams(300, 1472, 8);
  const Bytes batch = join(sent);
  int full_count = 0;
  for (;;) {
    const Status status = alpha->send(beta->local_address(), batch, 1472);
    if (status) break;
    ASSERT_EQ(status.error().code, EAGAIN);
    ASSERT_LT(++full_count, 10000);
    pollfd waiting{alpha->descriptor(), POLLOUT, 0};
    ASSERT_EQ(poll(&waiting, 1, 5000), 1);
  }
  EXPECT_GT(full_count, 0);
  Inbox inbox;
  ASSERT_TRUE(inbox.receive_count(*beta, sent.size()));
  EXPECT_EQ(crcs_of(inbox.datagrams), crcs_of(sent));
  EXPECT_EQ(alpha->statistics().send_errors, 0u);
}

TEST(UdpLinkTest, AFullSocketLosesAndRepeatsNothing) {
  in_private_network([] { expect_each_datagram_once({}); });
}

TEST(UdpLinkTest, AFullSocketLosesAndRepeatsNothingWithoutSegmentation) {
  in_private_network([] { expect_each_datagram_once({.may_segment = false}); });
}

TEST(UdpLinkTest, AnotherBatchIsNotTakenForTheStoppedOne) {
  in_private_network([] {
    ASSERT_TRUE(run("ip link set lo mtu 1500"));
    ASSERT_TRUE(run("tc qdisc add dev lo root tbf rate 40mbit burst 8kb limit 64mb"));
    const auto alpha = open("127.0.0.1:0"), beta = open("127.0.0.1:0");
    const int small = 64 << 10;
    ASSERT_EQ(setsockopt(alpha->descriptor(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    std::vector<Bytes> sent = make_datagrams(300, 1472, 8);
    ASSERT_EQ(alpha->send(beta->local_address(), join(sent), 1472).error().code, EAGAIN);
    Inbox before;
    sent[0] = make_datagram(999, 1472);
    const Bytes other = join(sent);
    for (Status status = fail(EAGAIN, "first"); !status;) {
      status = alpha->send(beta->local_address(), other, 1472);
      pollfd waiting{alpha->descriptor(), POLLOUT, 0};
      ASSERT_EQ(poll(&waiting, 1, 5000), 1);
    }
    const auto is_whole = [&] { return std::ranges::search(before.datagrams, sent).size() == sent.size(); };
    EXPECT_TRUE(before.receive_until(*beta, is_whole));
  });
}

}  // namespace
}  // namespace qnet::link
