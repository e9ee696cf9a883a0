// SPDX-License-Identifier: Apache-2.0
//
// listing_fuzz.cpp: does whoever walks over a listing stay inside it, whatever the owner sends?
//
// First byte: odd, with attributes. Then the listing. What is kept of it answers only what it says about the name.
#include <algorithm>
#include <vector>

#include "agent/client/brought.hpp"
#include "transport/base/check.hpp"
#include "transport/wire/dir_ops.hpp"

namespace qnet::client {
namespace {

struct Listed {
  wire::DirectoryEntry entry;
  wire::Attributes attributes;
};

std::vector<Listed> walk(ByteView entries, bool with_attributes) {
  std::vector<Listed> found;
  for (;;) {
    const std::size_t before = entries.size();
    Listed listed;
    const Result<bool> taken = wire::take_entry(entries, with_attributes, listed.entry, listed.attributes);
    if (!taken) return found;
    if (!*taken) {
      QNET_CHECK(entries.empty());
      return found;
    }
    const std::string_view name = listed.entry.name;
    QNET_CHECK(entries.size() < before && !name.empty() && name.size() <= wire::kNameBytesMax);
    QNET_CHECK(name.find('/') == name.npos && name.find('\0') == name.npos);
    found.push_back(listed);
  }
}

bool is_same(const wire::Attributes& one, const wire::Attributes& other) {
  std::byte first[512], second[512];
  const Result<ByteView> left = wire::encode(one, first), right = wire::encode(other, second);
  return left.has_value() && right.has_value() && std::ranges::equal(*left, *right);
}

void check(ByteView entries, bool with_attributes) {
  constexpr HandleId kHandle(7);
  const std::vector<Listed> listed = walk(entries, with_attributes);
  brought::use_clock([] { return std::int64_t{1}; });
  brought::forget();
  brought::name_directory({"b", HandleId(), "/dir"}, kHandle);
  brought::keep_listing(kHandle, entries, with_attributes);
  const auto ask = [&](std::string_view name) {
    wire::Attributes found;
    if (!brought::attributes_of_entry({"b", kHandle, {}}, name, false, found)) return;
    QNET_CHECK(with_attributes && std::ranges::any_of(listed, [&](const Listed& one) {
                 return one.entry.name == name && is_same(one.attributes, found);
               }));
  };
  for (const Listed& one : listed) ask(one.entry.name);
  ask("absent");
  for (const Listed& one : listed) ask(one.entry.name);
  brought::forget();
}

}  // namespace
}  // namespace qnet::client

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  qnet::client::check({reinterpret_cast<const std::byte*>(data) + 1, size - 1}, data[0] % 2 != 0);
  return 0;
}
