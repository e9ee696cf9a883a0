// SPDX-License-Identifier: Apache-2.0
#include "agent/net_root.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/wire/attr_ops.hpp"
#include "transport/wire/dir_ops.hpp"

namespace qnet::agent {
namespace {

using wire::Opcode;

class NetRootTest : public testing::Test {
 protected:
  NetRootTest() { nodes_.add("b", PeerId{0}); }

  template <class Message>
  NodeReply ask(Opcode opcode, const Message& message, std::uint64_t handle = 0) {
    std::array<std::byte, 8192> bytes;
    const Result<ByteView> body = wire::encode(message, bytes);
    EXPECT_TRUE(body.has_value());
    return root_.answer({.opcode = static_cast<std::uint16_t>(opcode), .handle = handle}, *body);
  }

  std::uint64_t open_root() {
    const NodeReply reply = ask(Opcode::kOpen, wire::OpenRequest{.flags = O_RDONLY | O_DIRECTORY});
    EXPECT_EQ(reply.error, 0);
    const auto opened = wire::decode<wire::OpenReply>(reply.body.view());
    return opened ? opened->handle : 0;
  }

  /// "/b/etc" or, for a local path, "local:/etc"; empty: no redirect.
  static std::string redirect_of(const NodeReply& reply) {
    if (reply.error != wire::kErrorRedirect) return "";
    const auto redirect = wire::decode<wire::RedirectReply>(reply.body.view());
    EXPECT_TRUE(redirect.has_value());
    return (redirect->is_local != 0 ? "local:" : "") + std::string(redirect->path);
  }

  static int errno_of(const NodeReply& reply) { return wire::errno_from_wire(reply.error); }

  PeerTable nodes_{"a", Incarnation{7}};
  NetRoot root_{nodes_, "/net"};
};

TEST_F(NetRootTest, ListsTheNodesOnceAndInOrder) {
  const std::uint64_t handle = open_root();
  const NodeReply listing = ask(Opcode::kReadDirectory, wire::ReadDirectoryRequest{.length_bytes = 512}, handle);
  std::string names;
  for (wire::Reader in(listing.body.view()); !in.rest().empty();) {
    wire::DirectoryEntry entry;
    wire::get_field(in, entry);
    ASSERT_FALSE(in.has_failed());
    EXPECT_EQ(entry.type, DT_DIR);
    names += std::string(entry.name) + " ";
  }
  EXPECT_EQ(names, ". .. a b ");
  const NodeReply end = ask(Opcode::kReadDirectory, wire::ReadDirectoryRequest{.length_bytes = 512}, handle);
  EXPECT_EQ(end.error, 0);
  EXPECT_TRUE(end.body.empty());

  EXPECT_EQ(ask(Opcode::kSeek, wire::SeekRequest{.offset = 3, .whence = SEEK_SET}, handle).error, 0);
  const NodeReply rest = ask(Opcode::kReadDirectory, wire::ReadDirectoryRequest{.length_bytes = 512}, handle);
  wire::DirectoryEntry entry;
  wire::Reader in(rest.body.view());
  wire::get_field(in, entry);
  EXPECT_EQ(entry.name, "b");
}

TEST_F(NetRootTest, IsAReadOnlyDirectoryThatStaysTheSame) {
  const NodeReply first = ask(Opcode::kGetAttributes, wire::GetAttributesRequest{});
  const NodeReply second = ask(Opcode::kGetAttributes, wire::GetAttributesRequest{.path = "./"});
  EXPECT_EQ(as_text(first.body.view()), as_text(second.body.view()));
  const auto attributes = wire::decode<wire::Attributes>(first.body.view());
  ASSERT_TRUE(attributes.has_value());
  EXPECT_EQ(attributes->mode, static_cast<std::uint32_t>(S_IFDIR | 0555));

  EXPECT_EQ(ask(Opcode::kCheckAccess, wire::CheckAccessRequest{.mode = R_OK | X_OK}).error, 0);
  EXPECT_EQ(errno_of(ask(Opcode::kCheckAccess, wire::CheckAccessRequest{.mode = W_OK})), EROFS);
  EXPECT_EQ(errno_of(ask(Opcode::kChangeMode, wire::ChangeModeRequest{.mode = 0777})), EROFS);
  EXPECT_EQ(errno_of(ask(Opcode::kMakeDirectory, wire::MakeDirectoryRequest{.path = "new"}, open_root())), EROFS);
  EXPECT_EQ(errno_of(ask(Opcode::kOpen, wire::OpenRequest{.flags = O_CREAT | O_WRONLY, .path = "new"})), EROFS);
  EXPECT_EQ(errno_of(ask(Opcode::kOpen, wire::OpenRequest{.flags = O_WRONLY})), EISDIR);
  EXPECT_EQ(errno_of(ask(Opcode::kUnlink, wire::UnlinkRequest{})), EROFS);
  EXPECT_EQ(errno_of(ask(Opcode::kReadLink, wire::ReadLinkRequest{})), EINVAL);
}

TEST_F(NetRootTest, LeadsToNodesAndUpwards) {
  EXPECT_EQ(redirect_of(ask(Opcode::kGetAttributes, wire::GetAttributesRequest{.path = "b/etc/../x"}, open_root())),
            "/b/etc/../x");
  EXPECT_EQ(redirect_of(ask(Opcode::kOpen, wire::OpenRequest{.path = "./b~preferred:en0"})), "/b~preferred:en0");
  EXPECT_EQ(redirect_of(ask(Opcode::kGetAttributes, wire::GetAttributesRequest{.path = "../etc/x"})), "local:/etc/x");
  EXPECT_EQ(redirect_of(ask(Opcode::kGetAttributes, wire::GetAttributesRequest{.path = ".."})), "local:/");
  EXPECT_EQ(errno_of(ask(Opcode::kGetAttributes, wire::GetAttributesRequest{.path = "nosuch/x"})), ENOENT);
  EXPECT_EQ(errno_of(ask(Opcode::kMakeDirectory, wire::MakeDirectoryRequest{.path = "nosuch/x"})), ENOENT);
}

TEST_F(NetRootTest, RefusesWhatIsNotOpenOrUnknown) {
  EXPECT_EQ(errno_of(ask(Opcode::kReadDirectory, wire::ReadDirectoryRequest{.length_bytes = 512}, 4711)), ESTALE);
  EXPECT_EQ(errno_of(ask(static_cast<Opcode>(199), wire::Empty{})), EOPNOTSUPP);
  EXPECT_EQ(errno_of(root_.answer({.opcode = static_cast<std::uint16_t>(Opcode::kOpen)}, {})), EPROTO);
  const std::uint64_t handle = open_root();
  root_.close(HandleId{handle});
  EXPECT_EQ(errno_of(ask(Opcode::kGetFlags, wire::Empty{}, handle)), ESTALE);
}

}  // namespace
}  // namespace qnet::agent
