// SPDX-License-Identifier: Apache-2.0
#include "transport/link/udp_address.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

namespace qnet::link {
namespace {

std::string rewritten(const char* text) {
  const Result<core::Address> address = parse_udp_address(text);
  return address ? format_udp_address(*address) : "error " + std::to_string(address.error().code);
}

TEST(UdpAddressTest, ReadsEverySpelling) {
  EXPECT_EQ(rewritten("10.71.0.2"), "10.71.0.2:8204");
  EXPECT_EQ(rewritten("10.71.0.2:9"), "10.71.0.2:9");
  EXPECT_EQ(rewritten("0.0.0.0:65535"), "0.0.0.0:65535");
  EXPECT_EQ(rewritten("[::]"), "[::]:8204");
  EXPECT_EQ(rewritten("[2001:db8::1]:1"), "[2001:db8::1]:1");
  EXPECT_EQ(rewritten("[fe80::1]"), "[fe80::1]:8204");
  EXPECT_EQ(rewritten("[fe80::1%lo]:8204"), "[fe80::1%lo]:8204");
  EXPECT_EQ(rewritten("[fe80::1%1]:8204"), "[fe80::1%lo]:8204");
  EXPECT_EQ(rewritten("[fe80::1%999999]:7"), "[fe80::1%999999]:7") << "an interface that is gone keeps its number";
}

TEST(UdpAddressTest, RefusesWhatIsNone) {
  for (const char* text : {"",
                           ":",
                           "8204",
                           "host",
                           "10.71.0",
                           "10.71.0.256",
                           "10.71.0.2:",
                           "10.71.0.2:65536",
                           "10.71.0.2:-1",
                           "10.71.0.2:80x",
                           "10.71.0.2 ",
                           "::1",
                           "[::1",
                           "[]",
                           "[::1]8204",
                           "[::1]:",
                           "[10.71.0.2]",
                           "[::1%lo]",
                           "[fe80::1%]",
                           "[fe80::1%nosuchif]",
                           "[fe80::1%0]",
                           "10.71.0.2%lo"}) {
    EXPECT_EQ(rewritten(text), "error " + std::to_string(EINVAL)) << '"' << text << '"';
  }
}

TEST(UdpAddressTest, HasOneFormForOneAddress) {
  sockaddr_in6 from_kernel{};
  from_kernel.sin6_family = AF_INET6;
  from_kernel.sin6_port = htons(8204);
  from_kernel.sin6_addr = in6addr_loopback;
  from_kernel.sin6_flowinfo = 7;
  from_kernel.sin6_scope_id = 3;
  EXPECT_EQ(from_sockaddr(reinterpret_cast<const sockaddr*>(&from_kernel)), *parse_udp_address("[::1]"));

  sockaddr_in v4{};
  std::memset(v4.sin_zero, 1, sizeof v4.sin_zero);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(8204);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(from_sockaddr(reinterpret_cast<const sockaddr*>(&v4)), *parse_udp_address("127.0.0.1"));
}

TEST(UdpAddressTest, AnythingElseIsNotAnAddress) {
  core::Address number;
  number.size_bytes = 4;
  EXPECT_EQ(family_of(number), AF_UNSPEC);
  EXPECT_EQ(port_of(number), 0);
  EXPECT_EQ(format_udp_address(number), "?");
}

}  // namespace
}  // namespace qnet::link
