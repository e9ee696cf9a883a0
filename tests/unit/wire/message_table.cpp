// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/wire/message_table.hpp"

#include <charconv>

namespace qnet::wire::test {
namespace {

constexpr std::string_view kAttributesGolden =
    "ff0f0000 00100000 1000000000000000 7400000000000000 02000000 e8030000 e9030000 a4810000 "  // mask … mode
    "8877665544332211 0000000101000000 0800000000000000 "                                       // inode, size, blocks
    "0100000000000000 02000000 0300000000000000 04000000 "                                      // accessed, born
    "ffffffffffffffff ffc99a3b 0700000000000000 08000000 "                                      // changed, modified
    "05000000 03000000 fd000000 01000000";                                                      // special, device

Attributes some_attributes() {
  return {.mask = 0xfff,
          .block_size = 4096,
          .flags = 0x10,
          .flags_mask = 0x74,
          .link_count = 2,
          .user = 1000,
          .group = 1001,
          .mode = 0100644,
          .inode = 0x1122334455667788,
          .size_bytes = 0x101000000,
          .blocks_512 = 8,
          .accessed = {1, 2},
          .born = {3, 4},
          .changed = {-1, 999'999'999},
          .modified = {7, 8},
          .special_major = 5,
          .special_minor = 3,
          .device_major = 0xfd,
          .device_minor = 1};
}

Tail tail(std::string_view text) {
  return {as_bytes(text)};
}

void add_envelope(std::vector<Row>& rows) {
  rows.push_back(make_row(
      "RequestHeader",
      RequestHeader{
          .size_bytes = 0x11223344, .opcode = 24, .request = 5, .handle = 0x8877665544332211, .second_handle = 9},
      "44332211 1800 0000 0500000000000000 1122334455667788 0900000000000000"));
  rows.push_back(make_row("ReplyHeader", ReplyHeader{.size_bytes = 6, .opcode = 1, .error = 112, .request = 5},
                          "06000000 0100 7000 0500000000000000"));
  rows.push_back(make_row("Redirect", RedirectReply{.which = 1, .is_local = 0, .path = "/c/x"}, "01 00 0400 2f632f78"));
}

void add_file_operations(std::vector<Row>& rows) {
  rows.push_back(make_row("OpenRequest",
                          OpenRequest{.flags = 0x241, .mode = 0644, .contents_bytes_max = 4096, .path = "/tmp/f"},
                          "41020000 a4010000 00100000 0600 2f746d702f66"));
  rows.push_back(make_row(
      "OpenReply",
      OpenReply{.handle = 0x0102030405060708, .kind = 'f', .attributes = some_attributes(), .contents = tail("hello")},
      "0807060504030201 66 " + std::string(kAttributesGolden) + " 68656c6c6f"));
  rows.push_back(make_row("CloseRequest", CloseRequest{}, ""));
  rows.push_back(make_row("CloseReply", CloseReply{}, ""));
  rows.push_back(make_row("ReadRequest", ReadRequest{.offset_bytes = -1, .length_bytes = 4096, .may_block = 1},
                          "ffffffffffffffff 00100000 01"));
  rows.push_back(make_row("ReadReply", ReadReply{.data = tail("hello")}, "68656c6c6f"));
  rows.push_back(make_row("WriteRequest", WriteRequest{.offset_bytes = 0x100000000, .may_block = 0, .data = tail("hi")},
                          "0000000001000000 00 6869"));
  rows.push_back(make_row("WriteReply", WriteReply{.written_bytes = 2}, "02000000"));
  rows.push_back(make_row("SeekRequest", SeekRequest{.offset = -2, .whence = 2}, "feffffffffffffff 02000000"));
  rows.push_back(make_row("SeekReply", SeekReply{.offset = 3}, "0300000000000000"));
  rows.push_back(make_row("SyncRequest", SyncRequest{.kind = 3, .offset = 1, .length = 2, .flags = 7},
                          "03 0100000000000000 0200000000000000 07000000"));
  rows.push_back(make_row("SyncReply", SyncReply{}, ""));
  rows.push_back(make_row("AllocateRequest", AllocateRequest{.mode = 3, .offset = 1, .length = 2},
                          "03000000 0100000000000000 0200000000000000"));
  rows.push_back(make_row("AllocateReply", AllocateReply{}, ""));
  rows.push_back(make_row("AdviseRequest", AdviseRequest{.offset = 1, .length = 2, .advice = 4},
                          "0100000000000000 0200000000000000 04000000"));
  rows.push_back(make_row("AdviseReply", AdviseReply{}, ""));
}

void add_lock_operations(std::vector<Row>& rows) {
  rows.push_back(make_row("LockWholeRequest", LockWholeRequest{.operation = 6}, "06000000"));
  rows.push_back(make_row("LockWholeReply", LockWholeReply{}, ""));
  rows.push_back(
      make_row("LockRangeRequest",
               LockRangeRequest{.command = 2, .is_ofd = 1, .type = 1, .whence = 0, .start = 10, .length = 20},
               "02 01 0100 0000 0a00000000000000 1400000000000000"));
  rows.push_back(make_row("LockRangeReply",
                          LockRangeReply{.type = 1, .whence = 0, .start = 10, .length = 20, .process = -1},
                          "0100 0000 0a00000000000000 1400000000000000 ffffffff"));
  rows.push_back(make_row("ReleaseLocksRequest", ReleaseLocksRequest{}, ""));
  rows.push_back(make_row("ReleaseLocksReply", ReleaseLocksReply{}, ""));
  rows.push_back(make_row("GetFlagsRequest", GetFlagsRequest{}, ""));
  rows.push_back(make_row("GetFlagsReply", GetFlagsReply{.flags = 0x8402}, "02840000"));
  rows.push_back(make_row("SetFlagsRequest", SetFlagsRequest{.flags = 0x400}, "00040000"));
  rows.push_back(make_row("SetFlagsReply", SetFlagsReply{}, ""));
  rows.push_back(make_row("PollRequest", PollRequest{.events = 1, .timeout_ms = -1}, "01000000 ffffffffffffffff"));
  rows.push_back(make_row("PollReply", PollReply{.events = 5}, "05000000"));
}

void add_directory_operations(std::vector<Row>& rows) {
  rows.push_back(make_row("ReadDirectoryRequest", ReadDirectoryRequest{.length_bytes = 0x8000, .with_attributes = 1},
                          "00800000 01"));
  rows.push_back(make_row("ReadDirectoryReply", ReadDirectoryReply{.entries = tail("abc")}, "616263"));
  rows.push_back(make_row("DirectoryEntry", DirectoryEntry{.inode = 2, .next = -3, .type = 8, .name = "x y"},
                          "0200000000000000 fdffffffffffffff 08 0300 782079"));
  rows.push_back(
      make_row("MakeDirectoryRequest", MakeDirectoryRequest{.mode = 0755, .path = "/d"}, "ed010000 0200 2f64"));
  rows.push_back(make_row("MakeDirectoryReply", MakeDirectoryReply{}, ""));
  rows.push_back(make_row("MakeNodeRequest",
                          MakeNodeRequest{.mode = 0020600, .device_major = 1, .device_minor = 3, .path = "/n"},
                          "80210000 01000000 03000000 0200 2f6e"));
  rows.push_back(make_row("MakeNodeReply", MakeNodeReply{}, ""));
  rows.push_back(
      make_row("MakeSymlinkRequest", MakeSymlinkRequest{.content = "../a", .path = "/l"}, "0400 2e2e2f61 0200 2f6c"));
  rows.push_back(make_row("MakeSymlinkReply", MakeSymlinkReply{}, ""));
  rows.push_back(make_row("LinkRequest", LinkRequest{.flags = 0x400, .source = "/a", .target = "b"},
                          "00040000 0200 2f61 0100 62"));
  rows.push_back(make_row("LinkReply", LinkReply{}, ""));
  rows.push_back(make_row("UnlinkRequest", UnlinkRequest{.flags = 0x200, .path = "/a"}, "00020000 0200 2f61"));
  rows.push_back(make_row("UnlinkReply", UnlinkReply{}, ""));
  rows.push_back(make_row("RenameRequest", RenameRequest{.flags = 1, .source = "/a", .target = "b"},
                          "01000000 0200 2f61 0100 62"));
  rows.push_back(make_row("RenameReply", RenameReply{}, ""));
}

void add_attribute_operations(std::vector<Row>& rows) {
  rows.push_back(
      make_row("GetAttributesRequest", GetAttributesRequest{.flags = 0x100, .path = "/a"}, "00010000 0200 2f61"));
  rows.push_back(make_row("GetAttributesReply", GetAttributesReply{some_attributes()}, std::string(kAttributesGolden)));
  rows.push_back(make_row("CheckAccessRequest", CheckAccessRequest{.mode = 4, .flags = 0x200, .path = "/a"},
                          "04000000 00020000 0200 2f61"));
  rows.push_back(make_row("CheckAccessReply", CheckAccessReply{}, ""));
  rows.push_back(make_row("ReadLinkRequest", ReadLinkRequest{.path = "/a"}, "0200 2f61"));
  rows.push_back(make_row("ReadLinkReply", ReadLinkReply{.content = "b"}, "0100 62"));
  rows.push_back(make_row("ResolvePathRequest", ResolvePathRequest{.flags = 3, .path = "/a"}, "03000000 0200 2f61"));
  rows.push_back(make_row("ResolvePathReply", ResolvePathReply{.path = "/"}, "0100 2f"));
  rows.push_back(make_row("ChangeModeRequest", ChangeModeRequest{.mode = 0600, .flags = 0x100, .path = "/a"},
                          "80010000 00010000 0200 2f61"));
  rows.push_back(make_row("ChangeModeReply", ChangeModeReply{}, ""));
  rows.push_back(make_row("ChangeOwnerRequest",
                          ChangeOwnerRequest{.user = 1000, .group = UINT32_MAX, .flags = 0x100, .path = "/a"},
                          "e8030000 ffffffff 00010000 0200 2f61"));
  rows.push_back(make_row("ChangeOwnerReply", ChangeOwnerReply{}, ""));
  rows.push_back(make_row("ChangeTimesRequest",
                          ChangeTimesRequest{.accessed = {1, 0x3ffffffe}, .modified = {2, 3}, .flags = 0, .path = "/a"},
                          "0100000000000000 feffff3f 0200000000000000 03000000 00000000 0200 2f61"));
  rows.push_back(make_row("ChangeTimesReply", ChangeTimesReply{}, ""));
  rows.push_back(
      make_row("TruncateRequest", TruncateRequest{.length_bytes = 0x140000000, .path = ""}, "0000004001000000 0000"));
  rows.push_back(make_row("TruncateReply", TruncateReply{}, ""));
  rows.push_back(make_row("GetFileSystemRequest", GetFileSystemRequest{.path = "/a"}, "0200 2f61"));
  rows.push_back(make_row("GetFileSystemReply",
                          GetFileSystemReply{.type = 0x1021994,
                                             .block_size = 1,
                                             .blocks = 2,
                                             .blocks_free = 3,
                                             .blocks_available = 4,
                                             .files = 5,
                                             .files_free = 6,
                                             .id = 7,
                                             .name_bytes_max = 255,
                                             .fragment_size = 8,
                                             .flags = 9},
                          "9419020100000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000 "
                          "0500000000000000 0600000000000000 0700000000000000 ff00000000000000 0800000000000000 "
                          "0900000000000000"));
  rows.push_back(make_row("GetPathLimitRequest", GetPathLimitRequest{.name = 3, .path = "/a"}, "03000000 0200 2f61"));
  rows.push_back(make_row("GetPathLimitReply", GetPathLimitReply{.value = -1}, "ffffffffffffffff"));
}

void add_xattr_operations(std::vector<Row>& rows) {
  rows.push_back(make_row("GetXattrRequest",
                          GetXattrRequest{.flags = 0x100, .room_bytes = 4096, .path = "/a", .name = "user.x"},
                          "00010000 00100000 0200 2f61 0600 757365722e78"));
  rows.push_back(make_row("GetXattrReply", GetXattrReply{.size_bytes = 2, .value = tail("ab")}, "02000000 6162"));
  rows.push_back(make_row("SetXattrRequest",
                          SetXattrRequest{.flags = 0x100, .mode = 1, .path = "/a", .name = "n", .value = tail("ab")},
                          "00010000 01000000 0200 2f61 0100 6e 6162"));
  rows.push_back(make_row("SetXattrReply", SetXattrReply{}, ""));
  rows.push_back(make_row("ListXattrRequest", ListXattrRequest{.flags = 0, .room_bytes = 0, .path = "/a"},
                          "00000000 00000000 0200 2f61"));
  rows.push_back(make_row("ListXattrReply", ListXattrReply{.size_bytes = 2, .value = {}}, "02000000"));
  rows.push_back(make_row("RemoveXattrRequest", RemoveXattrRequest{.flags = 0x100, .path = "/a", .name = "n"},
                          "00010000 0200 2f61 0100 6e"));
  rows.push_back(make_row("RemoveXattrReply", RemoveXattrReply{}, ""));
}

void add_agent_operations(std::vector<Row>& rows) {
  rows.push_back(make_row("CancelRequest", CancelRequest{.request = 7}, "0700000000000000"));
  rows.push_back(make_row("CancelReply", CancelReply{}, ""));
  rows.push_back(make_row("AdoptHandleRequest", AdoptHandleRequest{}, ""));
  rows.push_back(make_row("AdoptHandleReply", AdoptHandleReply{}, ""));
  rows.push_back(make_row("EnterDirectoryRequest", EnterDirectoryRequest{.path = "/net/b"}, "0600 2f6e65742f62"));
  rows.push_back(make_row("EnterDirectoryReply", EnterDirectoryReply{}, ""));
  rows.push_back(make_row("ListNodesRequest", ListNodesRequest{}, ""));
  rows.push_back(make_row("ListNodesReply", ListNodesReply{.entries = tail("abc")}, "616263"));
  rows.push_back(make_row("NodeEntry",
                          NodeEntry{.state = 2, .incarnation = 3, .since_s = 4, .name = "b", .reason = "silent"},
                          "02 0300000000000000 0400000000000000 0100 62 0600 73696c656e74"));
  rows.push_back(make_row("GetKernelDescriptorRequest", GetKernelDescriptorRequest{}, ""));
  rows.push_back(make_row("GetKernelDescriptorReply", GetKernelDescriptorReply{}, ""));
  rows.push_back(make_row("ListLinksRequest", ListLinksRequest{}, ""));
  rows.push_back(make_row("ListLinksReply", ListLinksReply{.entries = tail("abc")}, "616263"));
  rows.push_back(make_row("LinkEntry",
                          LinkEntry{.since_us = 1,
                                    .hold_ms = 2,
                                    .has_round_trip = 1,
                                    .round_trip_us = 2,
                                    .variation_us = 3,
                                    .bytes_sent = 4,
                                    .bytes_received = 5,
                                    .packets_sent = 6,
                                    .frames_lost = 7,
                                    .bytes_per_second = 8,
                                    .in_flight_bytes = 9,
                                    .in_flight_bytes_max = 10,
                                    .backlog_bytes = 11,
                                    .unsent_bytes = 12,
                                    .downs = 13,
                                    .peer = "b",
                                    .link = "en0",
                                    .address = "x",
                                    .state = "up",
                                    .reason = "y"},
                          "01000000000000000200000001020000000300000004000000000000000500000000000000060000"
                          "0000000000070000"
                          "0000000000080000000000000009000000000000000a000000000000000b000000000000000c0000"
                          "00000000000d0000"
                          "0000000000"
                          "0100620300656e3001007802007570010079"));
  rows.push_back(make_row("NextEventsRequest", NextEventsRequest{.after = 5}, "0500000000000000"));
  rows.push_back(make_row("NextEventsReply", NextEventsReply{.entries = tail("abc")}, "616263"));
  rows.push_back(make_row("EventEntry",
                          EventEntry{.number = 1,
                                     .time_us = 2,
                                     .subject = "link",
                                     .happened = "up",
                                     .peer = "b",
                                     .link = "en0",
                                     .address = "x",
                                     .reason = ""},
                          "0100000000000000 0200000000000000 0400 6c696e6b 0200 7570 "
                          "0100 62 0300 656e30 0100 78 0000"));
  rows.push_back(make_row("GetStatisticsRequest", GetStatisticsRequest{}, ""));
  rows.push_back(make_row("GetStatisticsReply", GetStatisticsReply{.json = tail("{}")}, "7b7d"));
}

}  // namespace

const std::vector<Row>& message_table() {
  static const std::vector<Row> table = [] {
    std::vector<Row> rows;
    add_envelope(rows);
    add_file_operations(rows);
    add_lock_operations(rows);
    add_directory_operations(rows);
    add_attribute_operations(rows);
    add_xattr_operations(rows);
    add_agent_operations(rows);
    return rows;
  }();
  return table;
}

Bytes from_hex(std::string_view hex) {
  std::string digits;
  for (const char c : hex) {
    if (c != ' ') digits += c;
  }
  Bytes bytes;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    unsigned value = 0;
    std::from_chars(digits.data() + at, digits.data() + at + 2, value, 16);
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

std::string to_hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const std::byte b : bytes) {
    const auto value = std::to_integer<unsigned>(b);
    hex += kDigits[value >> 4];
    hex += kDigits[value & 15];
  }
  return hex;
}

}  // namespace qnet::wire::test
