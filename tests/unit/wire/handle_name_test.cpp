// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/handle_name.hpp"

#include <gtest/gtest.h>

#include <string>

#include "transport/base/net_path.hpp"

namespace qnet::wire {
namespace {

std::string format(const HandleName& name) {
  std::array<char, HandleName::kBytesMax> text{};
  return {text.data(), format_handle_name(name, text)};
}

const HandleName kExample{0x0123456789abcdef, HandleId{0xfedcba9876543210}, HandleKind::kFile, "b~preferred:en0"};
constexpr std::string_view kExampleText = "qnet/0123456789abcdef/fedcba9876543210/f/b~preferred:en0";

TEST(HandleNameTest, HasTheTextThatOtherProgramsRead) {
  EXPECT_EQ(format(kExample), kExampleText);
}

TEST(HandleNameTest, RoundTripsEveryKind) {
  for (const HandleKind kind :
       {HandleKind::kFile, HandleKind::kDirectory, HandleKind::kStream, HandleKind::kCharacter, HandleKind::kPath}) {
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX}) {
      const std::string text = format({number, HandleId{~number}, kind, "node"});
      const auto name = parse_handle_name(text);
      ASSERT_TRUE(name.has_value()) << text;
      EXPECT_EQ(name->agent_instance, number);
      EXPECT_EQ(name->handle, HandleId{~number});
      EXPECT_EQ(name->kind, kind);
      EXPECT_EQ(name->target, "node");
    }
  }
}

TEST(HandleNameTest, TheListOfNodesHasAnEmptyTarget) {
  const auto name = parse_handle_name(format({1, HandleId{2}, HandleKind::kDirectory, ""}));
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->target, "");
}

TEST(HandleNameTest, TheLongestTargetFits) {
  const std::string longest(kTargetBytesMax, 'x');
  const std::string text = format({1, HandleId{2}, HandleKind::kFile, longest});
  EXPECT_LE(text.size(), HandleName::kBytesMax);
  EXPECT_EQ(parse_handle_name(text)->target, longest);
  EXPECT_EQ(format({1, HandleId{2}, HandleKind::kFile, longest + "x"}), "");
}

TEST(HandleNameTest, AnythingElseIsRefused) {
  const std::string good(kExampleText);
  EXPECT_FALSE(parse_handle_name("").has_value());
  for (std::size_t length = 0; length < good.find("b~"); ++length) {
    EXPECT_FALSE(parse_handle_name(good.substr(0, length)).has_value()) << length;
  }
  for (const std::size_t at : {0u, 4u, 21u, 38u, 40u}) {  // the fixed letters
    std::string bad = good;
    bad[at] = '#';
    EXPECT_FALSE(parse_handle_name(bad).has_value()) << bad;
  }
  for (const char c : {'g', 'F', ' ', '-', '/', '\0'}) {  // not lower-case hexadecimal
    for (const std::size_t at : {5u, 20u, 22u, 37u}) {
      std::string bad = good;
      bad[at] = c;
      EXPECT_FALSE(parse_handle_name(bad).has_value()) << bad;
    }
  }
  for (const char c : {'x', 'F', '/', '\0'}) {  // no such kind
    std::string bad = good;
    bad[39] = c;
    EXPECT_FALSE(parse_handle_name(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace qnet::wire
