// SPDX-License-Identifier: Apache-2.0
#include "transport/base/net_path.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace qnet {

static void PrintTo(NetPathKind kind, std::ostream* out) {
  constexpr const char* kNames[] = {"local", "root", "node", "above"};
  *out << kNames[static_cast<int>(kind)];
}

namespace {

struct Case {
  std::string_view prefix, path;
  NetPathKind kind;
  std::string_view target = {}, rest = {};
  bool must_be_directory = false;
};

constexpr Case kCases[] = {
    // Not ours.
    {"/net", "", NetPathKind::kLocal},
    {"/net", "/", NetPathKind::kLocal},
    {"/net", "net/b", NetPathKind::kLocal},
    {"/net", "/ne", NetPathKind::kLocal},
    {"/net", "/network", NetPathKind::kLocal},
    {"/net", "/network/b", NetPathKind::kLocal},
    {"/net", "/netb", NetPathKind::kLocal},
    {"/net", "/tmp/net/b", NetPathKind::kLocal},
    {"/net", "/tmp/../net/b", NetPathKind::kLocal},  // Only the kernel knows where /tmp/.. leads.
    {"/net", "/NET/b", NetPathKind::kLocal},
    // The list of nodes.
    {"/net", "/net", NetPathKind::kRoot},
    {"/net", "//net", NetPathKind::kRoot},
    {"/net", "/./net", NetPathKind::kRoot},
    {"/net", "/net/", NetPathKind::kRoot, {}, {}, true},
    {"/net", "/net///", NetPathKind::kRoot, {}, {}, true},
    {"/net", "/net/.", NetPathKind::kRoot, {}, {}, true},
    {"/net", "/net/./.", NetPathKind::kRoot, {}, {}, true},
    {"/net", "/net/.//", NetPathKind::kRoot, {}, {}, true},
    // Nodes. The rest is handed over as it stands.
    {"/net", "/net/b", NetPathKind::kNode, "b"},
    {"/net", "/net/b/", NetPathKind::kNode, "b", "/"},
    {"/net", "//net//b", NetPathKind::kNode, "b"},
    {"/net", "/net/./b", NetPathKind::kNode, "b"},
    {"/net", "/net/b/etc//passwd/", NetPathKind::kNode, "b", "/etc//passwd/"},
    {"/net", "/net/./b/../x", NetPathKind::kNode, "b", "/../x"},
    {"/net", "/net/b/..", NetPathKind::kNode, "b", "/.."},
    {"/net", "/net/b/./.", NetPathKind::kNode, "b", "/./."},
    {"/net", "/net/...", NetPathKind::kNode, "..."},
    {"/net", "/net/.b", NetPathKind::kNode, ".b"},
    {"/net", "/net/..b/x", NetPathKind::kNode, "..b", "/x"},
    {"/net", "/net/b~", NetPathKind::kNode, "b~"},
    {"/net", "/net/b~exclusive:en0/dev/ser1", NetPathKind::kNode, "b~exclusive:en0", "/dev/ser1"},
    {"/net", "/net/net/net", NetPathKind::kNode, "net", "/net"},
    {"/net", "/net/a b\n/\xff", NetPathKind::kNode, "a b\n", "/\xff"},
    // Above.
    {"/net", "/net/..", NetPathKind::kAbove},
    {"/net", "/net/../", NetPathKind::kAbove, {}, "/"},
    {"/net", "/net/./..//etc/x", NetPathKind::kAbove, {}, "//etc/x"},
    {"/net", "/net/../net/b", NetPathKind::kAbove, {}, "/net/b"},
    {"/net", "/net/../..", NetPathKind::kAbove, {}, "/.."},
    // Other prefixes.
    {"/a/b", "/a/b/n/x", NetPathKind::kNode, "n", "/x"},
    {"/a/b", "/a//./b/n", NetPathKind::kNode, "n"},
    {"/a/b", "/a/b", NetPathKind::kRoot},
    {"/a/b", "/a", NetPathKind::kLocal},
    {"/a/b", "/a/", NetPathKind::kLocal},
    {"/a/b", "/a/c/n", NetPathKind::kLocal},
    {"/a/b", "/a/bc", NetPathKind::kLocal},
    {"/a/b", "/a/../a/b", NetPathKind::kLocal},
    {"/a/b", "/net/b", NetPathKind::kLocal},
    {"/a/b/", "/a/b/n/x", NetPathKind::kNode, "n", "/x"},
};

TEST(NetPathTest, EveryCaseOfTheTable) {
  for (const Case& wanted : kCases) {
    SCOPED_TRACE("\"" + std::string(wanted.path) + "\" with prefix " + std::string(wanted.prefix));
    const NetPath path = parse_net_path(wanted.path, wanted.prefix);
    EXPECT_EQ(path.kind, wanted.kind);
    EXPECT_EQ(path.target, wanted.target);
    EXPECT_EQ(path.rest, wanted.rest);
    EXPECT_EQ(path.must_be_directory, wanted.must_be_directory);
  }
}

TEST(NetPathTest, ViewsPointIntoThePath) {
  const std::string text = "/net/b/etc";
  const NetPath path = parse_net_path(text, kDefaultPrefix);
  EXPECT_EQ(path.target.data(), text.data() + 5);
  EXPECT_EQ(path.rest.data(), text.data() + 6);
}

TEST(NetPathTest, NeverReadsBehindThePath) {
  const std::string text = "/net/b/etc";
  for (std::size_t length = 0; length <= text.size(); ++length) {
    const std::vector<char> exact(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));  // no NUL behind
    const NetPath path = parse_net_path({exact.data(), exact.size()}, kDefaultPrefix);
    EXPECT_LE(path.target.size() + path.rest.size(), length);
  }
}

struct TargetCase {
  std::string_view target, node;
  bool has_policy = false;
  std::string_view policy = {};
  bool has_link = false;
  std::string_view link = {};
};

TEST(NodeTargetTest, EveryCaseOfTheTable) {
  constexpr TargetCase kTargets[] = {
      {"b", "b"},
      {"", ""},
      {"b~", "b", true},
      {"b~loadbalance", "b", true, "loadbalance"},
      {"b~preferred:en0", "b", true, "preferred", true, "en0"},
      {"b~preferred:", "b", true, "preferred", true},
      {"b~:en0", "b", true, "", true, "en0"},
      {"b~p:l:m", "b", true, "p", true, "l:m"},
      {"b~p~q", "b", true, "p~q"},
      {"b:en0", "b:en0"},
      {"~p", "", true, "p"},
  };
  for (const TargetCase& wanted : kTargets) {
    SCOPED_TRACE(wanted.target);
    const NodeTarget parts = split_target(wanted.target);
    EXPECT_EQ(parts.node, wanted.node);
    EXPECT_EQ(parts.has_policy, wanted.has_policy);
    EXPECT_EQ(parts.policy, wanted.policy);
    EXPECT_EQ(parts.has_link, wanted.has_link);
    EXPECT_EQ(parts.link, wanted.link);
  }
}

TEST(NodeNameTest, AcceptsHostNamesAndRefusesTheRest) {
  for (const std::string_view name : {"b", "lab2", "node-1", "a_b", "cc0.example.org", "0", "_x"}) {
    EXPECT_TRUE(is_node_name(name)) << name;
  }
  using namespace std::string_view_literals;
  for (const std::string_view name :
       {""sv, "."sv, ".."sv, ".b"sv, "-b"sv, "a/b"sv, "a~b"sv, "a:b"sv, "a b"sv, "a\0b"sv, "b\n"sv, "n\xc3\xb6"sv}) {
    EXPECT_FALSE(is_node_name(name)) << name;
  }
  EXPECT_TRUE(is_node_name(std::string(kNodeNameBytesMax, 'n')));
  EXPECT_FALSE(is_node_name(std::string(kNodeNameBytesMax + 1, 'n')));
}

}  // namespace
}  // namespace qnet
