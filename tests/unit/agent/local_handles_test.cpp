// SPDX-License-Identifier: Apache-2.0
#include "agent/local_handles.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>

namespace qnet::agent {
namespace {

class RecordedEvents final : public HandleEvents {
 public:
  void on_handle_ready(LocalHandle& handle) override {
    char bytes[64];
    last_count = recv(handle.end.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    ++count;
  }
  int count = 0;
  ssize_t last_count = -1;
};

class LocalHandlesTest : public testing::Test {
 protected:
  Result<UniqueFd> create(std::uint64_t handle) {
    Result<LocalHandles::Place> place = handles_.reserve(caller_.user);
    if (!place) return fail(place.error());
    return handles_.create(std::move(*place),
                           {.key = {NodeRef{0}, HandleId{handle}},
                            .life = Incarnation{5},
                            .kind = wire::HandleKind::kFile,
                            .file = {},
                            .target = "b~preferred:en0",
                            .opener = &caller_},
                           events_);
  }

  boost::asio::io_context io_;
  Reactor reactor_{io_};
  FirstLook first_look_{reactor_};
  LocalHandles handles_{first_look_, 0x1234, 3, 2};
  RecordedEvents events_;
  wire::Caller caller_{.user = 1000};
};

TEST_F(LocalHandlesTest, TheDescriptorTellsItsName) {
  const Result<UniqueFd> end = create(99);
  ASSERT_TRUE(end.has_value());
  sockaddr_un address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(getpeername(end->get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::size_t length = size - offsetof(sockaddr_un, sun_path) - 1;
  const auto name = wire::parse_handle_name({address.sun_path + 1, length});
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->agent_instance, 0x1234u);
  EXPECT_EQ(name->handle, HandleId{99});
  EXPECT_EQ(name->target, "b~preferred:en0");

  char byte;
  EXPECT_EQ(read(end->get(), &byte, 1), -1) << "a stray read must not hang";
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(LocalHandlesTest, TellsOfBytesAndOfTheLastCloseOnly) {
  Result<UniqueFd> end = create(1);
  ASSERT_TRUE(end.has_value());
  UniqueFd copy(dup(end->get()));
  first_look_.on_ready(0);
  EXPECT_EQ(events_.count, 0);

  ASSERT_EQ(write(end->get(), "xyz", 3), 3);
  first_look_.on_ready(0);
  EXPECT_EQ(events_.count, 1);
  EXPECT_EQ(events_.last_count, 3);

  handles_.again(*handles_.find({NodeRef{0}, HandleId{1}}));
  end->reset();
  first_look_.on_ready(0);
  EXPECT_EQ(events_.count, 1) << "a duplicate is still open";
  copy.reset();
  first_look_.on_ready(0);
  EXPECT_EQ(events_.count, 2);
  EXPECT_EQ(events_.last_count, 0);
}

TEST_F(LocalHandlesTest, KnowsItsOwnEnds) {
  const Result<UniqueFd> first = create(1);
  const Result<UniqueFd> second = create(2);
  ASSERT_TRUE(first.has_value() && second.has_value());
  const LocalHandle* handle = handles_.find({NodeRef{0}, HandleId{1}});
  ASSERT_NE(handle, nullptr);
  const UniqueFd copy(dup(first->get()));
  EXPECT_TRUE(LocalHandles::is_end_of(*handle, copy.get()));
  EXPECT_FALSE(LocalHandles::is_end_of(*handle, second->get()));
  EXPECT_FALSE(LocalHandles::is_end_of(*handle, 0));
  EXPECT_EQ(handles_.find({NodeRef{1}, HandleId{1}}), nullptr) << "the same number on another node";
}

TEST_F(LocalHandlesTest, IsBounded) {
  const Result<UniqueFd> first = create(1);
  const Result<UniqueFd> second = create(2);
  EXPECT_EQ(create(3).error().code, EMFILE) << "the user has two";
  caller_.user = 0;
  const Result<UniqueFd> third = create(3);
  EXPECT_TRUE(third.has_value());
  EXPECT_EQ(create(4).error().code, ENFILE) << "three in all";
  caller_.user = 1000;
  handles_.remove({NodeRef{0}, HandleId{1}});
  EXPECT_TRUE(create(5).has_value());
}

}  // namespace
}  // namespace qnet::agent
