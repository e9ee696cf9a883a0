// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/crc32c.hpp"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace qnet::wire {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // bits reversed
constexpr std::size_t kStride = 8;

using Table = std::array<std::uint32_t, 256>;

/// Table k: what a byte does that stands k bytes before the last of a stride.
constexpr std::array<Table, kStride> make_tables() {
  std::array<Table, kStride> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < kStride; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr std::array<Table, kStride> kTables = make_tables();

std::uint64_t load_little(const std::byte* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return std::endian::native == std::endian::big ? std::byteswap(value) : value;
}

std::uint32_t add_byte(std::uint32_t crc, std::byte byte) {
  return (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_processor(ByteView bytes) {
  std::uint64_t crc = ~0u;
  while (bytes.size() >= sizeof(std::uint64_t)) {
    crc = _mm_crc32_u64(crc, load_little(bytes.data()));
    bytes = bytes.subspan(sizeof(std::uint64_t));
  }
  auto rest = static_cast<std::uint32_t>(crc);
  for (const std::byte byte : bytes) rest = _mm_crc32_u8(rest, std::to_integer<unsigned char>(byte));
  return ~rest;
}
#endif

}  // namespace

std::uint32_t crc32c_by_tables(ByteView bytes) {
  std::uint32_t crc = ~0u;
  while (bytes.size() >= kStride) {
    const std::uint64_t next = load_little(bytes.data()) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < kStride; ++k) crc ^= kTables[kStride - 1 - k][next >> (8 * k) & 0xff];
    bytes = bytes.subspan(kStride);
  }
  for (const std::byte byte : bytes) crc = add_byte(crc, byte);
  return ~crc;
}

std::uint32_t crc32c(ByteView bytes) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return crc32c_by_processor(bytes);
#endif
  return crc32c_by_tables(bytes);
}

}  // namespace qnet::wire
