// SPDX-License-Identifier: Apache-2.0
//
// datagram_sim_test.cpp: what do damaged datagrams, and paths that swallow large ones, cost in virtual time?
#include <set>

#include "tests/sim/two_nodes_test.hpp"

namespace qnet::sim {
namespace {

class DatagramSimTest : public TwoNodesTest {
 protected:
  void build_link(std::size_t datagram_bytes, std::size_t links = 1) {
    NetworkOptions options;
    options.links = links;
    options.datagram_bytes = datagram_bytes;
    options.faults.bytes_per_second = 100e6 / 8;
    build(options);
    network_->run_for(50ms);
  }
  /// How long one message of that size and its answer take.
  Duration time_of(std::size_t bytes) {
    const Instant since = network_->now();
    const std::size_t before = replies_;
    send(bytes);
    EXPECT_TRUE(network_->run_until([&] { return replies_ > before; }, 5s));
    return network_->now() - since;
  }
  void on_carried(std::size_t node, std::size_t target, std::size_t link, ByteView datagram) override {
    TwoNodesTest::on_carried(node, target, link, datagram);
    const wire::PacketHeader header = *wire::decode_header(datagram);
    crcs_seen_.emplace(node, (header.flags & wire::packet_flags::kCrc) != 0);
    const bool is_probe = (header.flags & wire::packet_flags::kProbe) != 0;
    if (is_probe && datagram.size() > core::DatagramSize::kBase) ++trials_;
    if (node == kA) largest_ = std::max(largest_, datagram.size());
  }
  /// Of the next transfer.
  std::size_t largest_datagram() {
    largest_ = 0;
    time_of(100'000);
    return largest_;
  }

  std::size_t largest_ = 0;
  std::size_t trials_ = 0;
  std::set<std::pair<std::size_t, bool>> crcs_seen_;  // who has sent with a CRC, or without
};

TEST_F(DatagramSimTest, AHoleAtTheStartIsNoticedByTheFirstTransferAndTheLargestThatPassesIsFound) {
  for (const std::size_t passes : {1200u, 1400u, 1460u}) {
    build_link(1472);
    network_->faults().datagram_bytes_max = passes;
    EXPECT_LT(time_of(200'000), 16ms + 40ms) << passes;
    network_->run_for(1s);
    EXPECT_LE(largest_datagram(), passes);
    EXPECT_GE(largest_, passes - core::DatagramSize::kStep);
    EXPECT_TRUE(downs_.empty());
  }
}

TEST_F(DatagramSimTest, AJumboLinkWithAnOrdinarySwitchFindsItsSize) {
  build_link(8972);
  network_->faults().datagram_bytes_max = 1472;
  time_of(200'000);
  network_->run_for(1s);
  EXPECT_LE(largest_datagram(), 1472u);
  EXPECT_GE(largest_, 1472 - core::DatagramSize::kStep);
}

TEST_F(DatagramSimTest, AHoleInTheMiddleOfATransferHealsAndTheSizeComesBack) {
  build_link(8972);
  EXPECT_EQ(largest_datagram(), 8972u);
  const std::size_t before = replies_;
  send(1 << 20);
  network_->run_for(30ms);
  network_->faults().datagram_bytes_max = 1300;
  ASSERT_TRUE(network_->run_until([&] { return replies_ > before; }, 300ms));
  network_->run_for(1s);
  EXPECT_LE(largest_datagram(), 1300u);
  network_->faults().datagram_bytes_max = std::size_t(-1);
  network_->run_for(2 * core::DatagramSize::kRaiseAfter);
  EXPECT_EQ(largest_datagram(), 8972u);
  EXPECT_TRUE(downs_.empty());
}

TEST_F(DatagramSimTest, BadLuckCostsTheSizeForAMoment) {
  build_link(1472);
  network_->faults().datagram_bytes_max = 1300;
  send(20'000);
  ASSERT_TRUE(network_->run_until([this] { return trials_ > 0; }, 100ms));
  network_->faults().datagram_bytes_max = std::size_t(-1);
  network_->run_for(10ms);
  EXPECT_EQ(largest_datagram(), 1472u);
}

TEST_F(DatagramSimTest, TheOtherLinkDoesNotSuffer) {
  build_link(1472, 2);
  network_->faults(0).datagram_bytes_max = 1250;
  for (int i = 0; i < 20; ++i) EXPECT_LT(time_of(100'000), 60ms);
  network_->run_for(1s);
  EXPECT_EQ(largest_datagram(), 1472u) << "on the whole link";
}

TEST_F(DatagramSimTest, RandomLossIsNotTakenForAHole) {
  NetworkOptions options;
  options.faults.bytes_per_second = 100e6 / 8;
  options.faults.loss = 0.01;
  build(options);
  for (int i = 0; i < 20; ++i) {
    time_of(1 << 20);
    EXPECT_EQ(largest_datagram(), 1472u) << i;
  }
}

TEST_F(DatagramSimTest, TooLongForTheKernelMeansSmallerAtOnce) {
  build_link(8972);
  core::Address address;
  address.bytes[0] = std::byte{kB + 1};
  address.bytes[1] = std::byte{1};
  address.size_bytes = 2;
  network_->faults().datagram_bytes_max = 4000;
  send(100'000);
  network_->engine(kA).on_send_error(LinkId{0}, address, EMSGSIZE, network_->now());
  largest_ = 0;
  network_->pump(kA);
  ASSERT_TRUE(network_->run_until([&] { return replies_ == 1; }, 50ms));
  network_->run_for(1s);
  EXPECT_LE(largest_datagram(), 4000u);
  EXPECT_GE(largest_, 4000 - core::DatagramSize::kStep);
}

TEST_F(DatagramSimTest, WhatWasDamagedIsDroppedAndCounted) {
  NetworkOptions options;
  options.crc_nodes = ~0u;
  options.faults.flips = 0.2;
  build(options);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(call());
  EXPECT_GT(network_->engine(kA).statistics().datagrams_corrupt, 10u);
  EXPECT_GT(network_->engine(kB).statistics().datagrams_corrupt, 10u);
  EXPECT_EQ(requests_, 200u);
}

TEST_F(DatagramSimTest, OneEndThatAsksForACrcGetsItInBothDirections) {
  NetworkOptions options;
  options.crc_nodes = 1u << kA;
  build(options);
  ASSERT_TRUE(call());
  crcs_seen_.clear();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(call());
  EXPECT_EQ(crcs_seen_, (std::set<std::pair<std::size_t, bool>>{{kA, true}, {kB, true}}));
}

}  // namespace
}  // namespace qnet::sim
