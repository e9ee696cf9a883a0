// SPDX-License-Identifier: Apache-2.0
#include "agent/client/brought.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/unit/client/scripted_agent.hpp"

namespace qnet::client {
namespace {

constexpr HandleId kHandle{7};
constexpr int kFd = 55;

std::int64_t time_ns = 1;  // stands still unless a test moves it

class BroughtTest : public WithAgentSocket {
 protected:
  BroughtTest() {
    brought::use_clock([] { return time_ns; });
  }
  ~BroughtTest() override {
    brought::forget();
    brought::use_clock(nullptr);
  }

  static void bring(std::string_view contents, HandleId handle = kHandle) {
    brought::keep(Place{"b", HandleId(), "/f"}, handle, kFd, {.mode = 0100644, .size_bytes = 10}, as_bytes(contents));
  }
  /// The bytes, or "ask".
  static std::string read(std::size_t count, std::int64_t offset = -1, HandleId handle = kHandle) {
    std::string text(count, '?');
    const iovec piece{text.data(), text.size()};
    const auto got = brought::read(handle, {&piece, 1}, offset);
    if (!got) return "ask";
    text.resize(static_cast<std::size_t>(*got));
    return text;
  }
};

TEST_F(BroughtTest, ReadsMoveTheOffsetAndPreadsDoNot) {
  bring("0123456789");
  EXPECT_EQ(read(3), "012");
  EXPECT_EQ(read(4, 6), "6789");
  EXPECT_EQ(read(100, 10), "");
  EXPECT_EQ(read(100), "3456789");
  EXPECT_EQ(read(100), "") << "the end of the file";
  EXPECT_EQ(brought::seek(kHandle, -2, SEEK_END), 8);
  EXPECT_EQ(read(100), "89");
  EXPECT_EQ(brought::seek(kHandle, -11, SEEK_CUR), std::nullopt) << "the owner says what is wrong";
  EXPECT_EQ(brought::seek(kHandle, 0, SEEK_HOLE), std::nullopt);
}

TEST_F(BroughtTest, AnswersTheThreadThatOpenedTheFileOnly) {
  bring("0123456789");
  EXPECT_EQ(read(3, -1, HandleId{8}), "ask");
  std::thread([] { EXPECT_EQ(read(3), "ask"); }).join();
  wire::Attributes found;
  EXPECT_TRUE(brought::attributes(kHandle, found));
  EXPECT_EQ(found.size_bytes, 10U);
  EXPECT_FALSE(brought::attributes(HandleId{8}, found));
}

TEST_F(BroughtTest, IsTooOldAfterAMillisecond) {
  bring("0123456789");
  time_ns += brought::kAgeMaxNs;
  EXPECT_EQ(read(3), "012");
  time_ns += 1;
  EXPECT_EQ(read(3), "ask");
  bring("0123456789");
  EXPECT_EQ(read(3), "ask") << "what is kept may have an offset to tell: it is not replaced";
}

TEST_F(BroughtTest, IsTooOldOnceSomethingWasReceived) {
  bring("0123456789");
  brought::received();
  EXPECT_EQ(read(3), "ask");
}

TEST_F(BroughtTest, TheOwnerIsToldTheOffsetBeforeAnyOtherCall) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> seeks;
  ScriptedAgent agent(path_, [&](const ScriptedRequest& request) {
    const auto seek = wire::decode<wire::SeekRequest>(as_bytes(request.body));
    seeks.emplace_back(request.header.handle, seek->offset);
    std::string body(8, '\0');
    static_cast<void>(wire::encode(wire::SeekReply{seek->offset}, as_writable_bytes(body.data(), body.size())));
    return ScriptedReply{.body = body};
  });
  bring("0123456789");
  EXPECT_EQ(read(4), "0123");
  SmallExchange exchange;
  CallOptions options;
  ASSERT_TRUE(call<wire::SeekReply>(wire::Opcode::kSeek, Place{"b", HandleId{9}, {}}, wire::SeekRequest{1, SEEK_SET},
                                    exchange, options));
  agent.settle();
  EXPECT_EQ(seeks, (std::vector<std::pair<std::uint64_t, std::int64_t>>{{7, 4}, {9, 1}}));
  EXPECT_EQ(read(1), "ask") << "another remote call has been made";
  brought::settle();
  EXPECT_EQ(agent.requests(), 2) << "once is enough";

  bring("0123456789");
  brought::settle();
  EXPECT_EQ(agent.requests(), 2) << "nothing was read: there is nothing to tell";

  bring("0123456789");
  EXPECT_EQ(read(4), "0123");
  brought::closing(kFd, kFd);
  brought::settle();
  EXPECT_EQ(agent.requests(), 2) << "nor once the file is closed";
}

/// Entries "one", "two" and the symlink "link".
std::string entries(bool with_attributes) {
  std::string bytes(1024, '\0');
  wire::Writer out(as_writable_bytes(bytes.data(), bytes.size()));
  for (const auto& [name, mode, size] :
       {std::tuple{"one", 0100644U, 1U}, std::tuple{"two", 0100644U, 2U}, std::tuple{"link", 0120777U, 3U}}) {
    wire::put_field(out, wire::DirectoryEntry{.inode = 5, .next = 1, .type = 8, .name = name});
    if (with_attributes) wire::put_field(out, wire::Attributes{.mask = 0x7ff, .mode = mode, .size_bytes = size});
  }
  bytes.resize(out.written_bytes());
  return bytes;
}

std::uint64_t size_of_entry(const Place& place, bool follows = false) {
  wire::Attributes found;
  return brought::attributes_of_entry(place, place.path, follows, found) ? found.size_bytes : 0;
}

TEST_F(BroughtTest, AListingAnswersForItsEntriesByPathAndByDescriptor) {
  const HandleId directory{9};
  brought::name_directory({"b", HandleId(), "/d"}, directory);
  brought::keep_listing(directory, as_bytes(entries(true)), true);
  EXPECT_EQ(size_of_entry({"b", HandleId(), "/d/one"}), 1U);
  EXPECT_EQ(size_of_entry({"b", HandleId(), "/d/two"}), 2U);
  EXPECT_EQ(size_of_entry({"b", HandleId(), "/d/one"}), 1U) << "in any order";
  EXPECT_EQ(size_of_entry({"b", directory, "two"}, true), 2U);
  EXPECT_EQ(size_of_entry({"b", directory, "link"}), 3U);
  EXPECT_EQ(size_of_entry({"b", directory, "link"}, true), 0U) << "what it points to is not known";
  EXPECT_EQ(size_of_entry({"b", HandleId(), "/d/three"}), 0U);
  EXPECT_EQ(size_of_entry({"b", HandleId(), "/dd/one"}), 0U);
  EXPECT_EQ(size_of_entry({"b", HandleId(), "/d/one/x"}), 0U);
  EXPECT_EQ(size_of_entry({"c", HandleId(), "/d/one"}), 0U) << "another node";
  EXPECT_EQ(size_of_entry({"b", HandleId{8}, "one"}), 0U) << "another directory";
  brought::settle();
  EXPECT_EQ(size_of_entry({"b", HandleId(), "/d/one"}), 0U) << "another call has been made";
}

TEST_F(BroughtTest, ListingsBringAttributesOnceThoseAreAskedFor) {
  const HandleId directory{9};
  brought::keep_listing(directory, as_bytes(entries(false)), false);
  EXPECT_EQ(size_of_entry({"b", directory, "one"}), 0U) << "they were not brought";
  EXPECT_TRUE(brought::wants_attributes());
}

TEST_F(BroughtTest, MemoryThatIsNotThereIsEfault) {
  bring("0123456789");
  void* const nowhere = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const iovec piece{nowhere, 10};
  EXPECT_EQ(brought::read(kHandle, {&piece, 1}, -1), -EFAULT);
  ::munmap(nowhere, 4096);
  EXPECT_EQ(read(3), "012") << "and nothing was read";
}

}  // namespace
}  // namespace qnet::client
