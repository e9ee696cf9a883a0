// SPDX-License-Identifier: Apache-2.0
//
// Does an operation run with the rights of its caller, and with no others?
#include "agent/exec/identity.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <thread>

#include "tests/unit/exec/exec_rig.hpp"

namespace qnet::exec {
namespace {

/// Runs `body` on a thread of its own, whose identity then does not matter to anybody.
template <class Body>
void on_a_thread(Body body) {
  std::thread(body).join();
}

std::uint64_t effective_capabilities() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  EXPECT_EQ(::syscall(SYS_capget, &header, data), 0);
  return data[0].effective | std::uint64_t{data[1].effective} << 32;
}

int bind_low_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(81);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

TEST(IdentityTest, AnUnprivilegedCallerHasNoCapabilityAndNoPowerOfRoot) {
  QNET_NEEDS_ROOT();
  on_a_thread([] {
    ThreadIdentity identity(ThreadIdentity::powers_of_process());
    ASSERT_TRUE(identity.become(Need::kCaller, user_caller(1000)));
    EXPECT_EQ(effective_capabilities(), 0U);
    EXPECT_EQ(bind_low_port(), EACCES);
    EXPECT_EQ(::kill(1, 0) == 0 ? 0 : errno, EPERM);
    EXPECT_EQ(::access("/root/.profile", R_OK), -1);
    EXPECT_EQ(::open("/etc/shadow", O_RDONLY | O_CLOEXEC), -1);
  });
}

TEST(IdentityTest, GoesFromCallerToCallerAndBackToTheAgent) {
  QNET_NEEDS_ROOT();
  on_a_thread([] {
    const std::uint64_t before = effective_capabilities();
    ThreadIdentity identity(ThreadIdentity::powers_of_process());
    wire::Caller caller = user_caller(1000);
    caller.group_count = 2;
    caller.groups[0] = 7;
    caller.groups[1] = 8;
    ASSERT_TRUE(identity.become(Need::kCaller, caller));
    gid_t groups[8] = {};
    EXPECT_EQ(::getgroups(8, groups), 2);
    EXPECT_EQ(groups[1], 8U);
    EXPECT_TRUE(identity.fits(Need::kCaller, caller));
    EXPECT_FALSE(identity.fits(Need::kCaller, user_caller(1000)));

    ASSERT_TRUE(identity.become(Need::kCaller, user_caller(1001)));
    EXPECT_EQ(::geteuid(), 1001U);
    EXPECT_EQ(::getegid(), 1001U);
    EXPECT_EQ(::getgroups(8, groups), 0);

    ASSERT_TRUE(identity.become(Need::kAgent, user_caller(1001)));
    EXPECT_EQ(::geteuid(), 0U);
    EXPECT_EQ(effective_capabilities(), before);
    EXPECT_EQ(identity.changes(), 3U);
  });
  EXPECT_EQ(::geteuid(), 0U) << "another thread has changed";
}

/// The agent must not be at the mercy of everybody for whom it works.
TEST(IdentityTest, TheCallersProgramsCannotKillTheThreadThatIsTheCaller) {
  QNET_NEEDS_ROOT();
  std::promise<pid_t> is_caller;
  std::promise<void> may_end;
  std::thread worker([&] {
    ThreadIdentity identity(ThreadIdentity::powers_of_process());
    EXPECT_TRUE(identity.become(Need::kCaller, user_caller(1000)));
    is_caller.set_value(::gettid());
    may_end.get_future().wait();
  });
  const pid_t agent = ::getpid(), thread = is_caller.get_future().get();
  const pid_t program = ::fork();
  if (program == 0) {
    const bool is_user = ::syscall(SYS_setresuid, 1000, 1000, 1000) == 0;
    const bool may_kill = ::kill(thread, 0) == 0 || ::syscall(SYS_tgkill, agent, thread, 0) == 0;
    ::_exit(is_user && !may_kill ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(program, &status, 0), program);
  EXPECT_EQ(status, 0);
  may_end.set_value();
  worker.join();
}

TEST(IdentityTest, TheNumberThatMeansLeaveItIsNobody) {
  QNET_NEEDS_ROOT();
  on_a_thread([] {
    ThreadIdentity identity(ThreadIdentity::powers_of_process());
    wire::Caller caller = user_caller(1000);
    caller.user = UINT32_MAX;
    EXPECT_EQ(identity.become(Need::kCaller, caller).error().code, EACCES);
    caller = user_caller(1000);
    caller.group = UINT32_MAX;
    EXPECT_EQ(identity.become(Need::kCaller, caller).error().code, EACCES);
    caller = user_caller(1000);
    caller.group_count = 1;
    caller.groups[0] = UINT32_MAX;
    EXPECT_EQ(identity.become(Need::kCaller, caller).error().code, EACCES);
    EXPECT_TRUE(identity.become(Need::kCaller, user_caller(1000))) << "and recovers";
  });
}

TEST(IdentityTest, AnAgentThatIsNotRootActsForItselfOnly) {
  ThreadIdentity identity({.can_change = false, .user = 1234});
  EXPECT_TRUE(identity.become(Need::kCaller, user_caller(1234)));
  EXPECT_EQ(identity.become(Need::kCaller, user_caller(1235)).error().code, EACCES);
  EXPECT_EQ(identity.become(Need::kCaller, user_caller(0)).error().code, EACCES);
  EXPECT_TRUE(identity.become(Need::kAgent, user_caller(1235)));
}

class CallerTest : public ExecTest {
 protected:
  Client user_{executor_, 2, user_caller(1000)};
};

TEST_F(CallerTest, AFileBelongsToWhoCreatedIt) {
  QNET_NEEDS_ROOT();
  const auto opened = user_.open(path("mine"), O_CREAT | O_RDWR, 0640);
  ASSERT_EQ(opened.error, 0);
  EXPECT_EQ(opened->attributes.user, 1000U);
  EXPECT_EQ(opened->attributes.group, 1000U);
  EXPECT_EQ(opened->attributes.mode, static_cast<std::uint32_t>(S_IFREG | 0640)) << "umask was applied twice";
}

TEST_F(CallerTest, RootsPlacesAreClosedToOthersWhateverRanBefore) {
  QNET_NEEDS_ROOT();
  make_file("secret", "s", 0600);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(me_.open(path("secret"), O_RDONLY).error, 0);
    EXPECT_EQ(user_.open(path("secret"), O_RDONLY).error, EACCES);
    EXPECT_EQ(user_.open("/root/x", O_RDONLY).error, EACCES);
    EXPECT_EQ(user_.ask<op::CheckAccess>({.mode = R_OK, .path = path("secret")}).error, EACCES);
    EXPECT_EQ(me_.ask<op::CheckAccess>({.mode = R_OK, .path = path("secret")}).error, 0);
  }
  EXPECT_LE(executor_.statistics().identity_changes, 4U) << "two callers who take turns keep a worker each";
}

TEST_F(CallerTest, WritingTakesTheSetUserIdBitAwayAsItDoesLocally) {
  QNET_NEEDS_ROOT();
  make_file("tool", "x");
  ASSERT_EQ(::chown(path("tool").c_str(), 1000, 1000), 0);
  ASSERT_EQ(::chmod(path("tool").c_str(), 04777), 0);
  EXPECT_EQ(user_.write(user_.must_open(path("tool"), O_WRONLY), "y"), 1);
  struct stat found;
  ASSERT_EQ(::stat(path("tool").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0777U);
}

}  // namespace
}  // namespace qnet::exec
