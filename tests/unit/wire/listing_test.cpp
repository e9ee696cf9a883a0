// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "transport/wire/dir_ops.hpp"

namespace qnet::wire {
namespace {

/// What take_entry() makes of an entry with this name: 0 or an error.
int error_of(std::string_view name) {
  std::array<std::byte, 512> room{};
  Writer out(room);
  put_field(out, DirectoryEntry{.inode = 1, .next = 1, .type = 8, .name = name});
  ByteView entries = ByteView(room).first(out.written_bytes());
  DirectoryEntry entry;
  Attributes attributes;
  const Result<bool> taken = take_entry(entries, false, entry, attributes);
  EXPECT_TRUE(!taken || entry.name == name);
  return taken ? 0 : taken.error().code;
}

TEST(ListingTest, AnEntryIsOneName) {
  EXPECT_EQ(error_of("file"), 0);
  EXPECT_EQ(error_of(std::string(255, 'n')), 0);
  EXPECT_EQ(error_of(std::string(256, 'n')), EIO);
}

TEST(ListingTest, ANameThatLeadsElsewhereIsRefused) {
  EXPECT_EQ(error_of("../../etc/passwd"), EIO);
  EXPECT_EQ(error_of("/etc"), EIO);
  EXPECT_EQ(error_of(std::string_view("a\0b", 3)), EIO);
}

TEST(ListingTest, TheEndMarkEndsIt) {
  std::array<std::byte, 512> room{};
  Writer out(room);
  put_field(out, DirectoryEntry{.inode = 1, .next = 1, .type = 8, .name = "last"});
  put_field(out, DirectoryEntry());
  ByteView entries = ByteView(room).first(out.written_bytes());
  DirectoryEntry entry;
  Attributes attributes;
  EXPECT_TRUE(take_entry(entries, false, entry, attributes).value());
  EXPECT_FALSE(take_entry(entries, false, entry, attributes).value());
  EXPECT_TRUE(entries.empty());
}

}  // namespace
}  // namespace qnet::wire
