// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/crc32c.hpp"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace qnet::wire {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text) {
  Bytes bytes;
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

/// Of RFC 3720, appendix B.4, and the customary one.
TEST(Crc32cTest, KnowsTheVectorsOfTheStandard) {
  Bytes rising, falling;
  for (unsigned i = 0; i < 32; ++i) {
    rising.push_back(static_cast<std::byte>(i));
    falling.push_back(static_cast<std::byte>(31 - i));
  }
  const struct {
    Bytes bytes;
    std::uint32_t crc;
  } vectors[] = {
      {{}, 0},
      {bytes_of("123456789"), 0xe3069283},
      {Bytes(32, std::byte{0}), 0x8a9136aa},
      {Bytes(32, std::byte{0xff}), 0x62a8ab43},
      {rising, 0x46dd794e},
      {falling, 0x113fdb5c},
  };
  for (const auto& [bytes, crc] : vectors) {
    EXPECT_EQ(crc32c(bytes), crc) << bytes.size();
    EXPECT_EQ(crc32c_by_tables(bytes), crc) << bytes.size();
  }
}

TEST(Crc32cTest, TheProcessorAndTheTablesAgreeOnEveryLengthAndAlignment) {
  Bytes bytes(300);
  std::uint32_t state = 1;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 24);
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t length = 0; begin + length <= bytes.size(); ++length) {
      const ByteView part = ByteView(bytes).subspan(begin, length);
      ASSERT_EQ(crc32c(part), crc32c_by_tables(part)) << begin << ' ' << length;
    }
  }
}

TEST(Crc32cTest, SeesEverySingleBit) {
  Bytes bytes(1472, std::byte{0x5a});
  const std::uint32_t crc = crc32c(bytes);
  for (std::byte& byte : bytes) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      byte ^= std::byte{1} << bit;
      EXPECT_NE(crc32c(bytes), crc);
      byte ^= std::byte{1} << bit;
    }
  }
}

}  // namespace
}  // namespace qnet::wire
