// SPDX-License-Identifier: Apache-2.0
#include "transport/wire/errno_wire.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>

namespace qnet::wire {
namespace {

/// Beyond Linux's largest errno (133) and its MAX_ERRNO.
constexpr int kErrnoEnd = 4096;

TEST(ErrnoWireTest, EveryErrnoOfThisHostRoundTripsOrIsEio) {
  for (int error = 1; error < kErrnoEnd; ++error) {
    const std::uint16_t number = errno_to_wire(error);
    const int again = errno_from_wire(number);
    EXPECT_TRUE(again == error || (again == EIO && number == errno_to_wire(EIO)))
        << error << " travels as " << number << " and arrives as " << again;
  }
}

TEST(ErrnoWireTest, NumbersAreUnique) {
  std::map<std::uint16_t, int> error_of;
  for (int error = 1; error < kErrnoEnd; ++error) {
    const std::uint16_t number = errno_to_wire(error);
    if (number == errno_to_wire(EIO)) continue;
    const auto [at, is_new] = error_of.emplace(number, error);
    EXPECT_TRUE(is_new) << number << " means both " << strerrorname_np(at->second) << " and " << strerrorname_np(error);
  }
}

TEST(ErrnoWireTest, EveryNumberIsAnErrnoOfThisHost) {
  for (unsigned number = 1; number <= UINT16_MAX; ++number) {
    const int error = errno_from_wire(static_cast<std::uint16_t>(number));
    EXPECT_NE(error, 0) << number;
    if (error != EIO && number != kErrorHandleGone) {  // That one is a kind of ESTALE.
      EXPECT_EQ(errno_to_wire(error), number);
    }
  }
}

TEST(ErrnoWireTest, WhatFileCallsAnswerTravelsAsItself) {
  for (const int error :
       {EPERM,  ENOENT,       ESRCH,      EINTR,     EIO,       ENXIO,      EBADF,  EAGAIN, ENOMEM,    EACCES,
        EFAULT, EBUSY,        EEXIST,     EXDEV,     ENODEV,    ENOTDIR,    EISDIR, EINVAL, ENFILE,    EMFILE,
        ENOTTY, ETXTBSY,      EFBIG,      ENOSPC,    ESPIPE,    EROFS,      EMLINK, EPIPE,  EDEADLK,   ENAMETOOLONG,
        ENOLCK, ENOSYS,       ENOTEMPTY,  ELOOP,     EOVERFLOW, EOPNOTSUPP, EDQUOT, ESTALE, EHOSTDOWN, ENETDOWN,
        ENONET, EHOSTUNREACH, ECONNRESET, ETIMEDOUT, ENODATA,   ERANGE}) {
    EXPECT_EQ(errno_from_wire(errno_to_wire(error)), error) << strerrorname_np(error);
  }
}

TEST(ErrnoWireTest, NumbersNeverChange) {
  EXPECT_EQ(errno_to_wire(EPERM), 1);
  EXPECT_EQ(errno_to_wire(ENOENT), 2);
  EXPECT_EQ(errno_to_wire(EIO), 5);
  EXPECT_EQ(errno_to_wire(EACCES), 13);
  EXPECT_EQ(errno_to_wire(ENONET), 64);
  EXPECT_EQ(errno_to_wire(EOPNOTSUPP), 95);
  EXPECT_EQ(errno_to_wire(ENETDOWN), 100);
  EXPECT_EQ(errno_to_wire(EHOSTDOWN), 112);
  EXPECT_EQ(errno_to_wire(ESTALE), 116);
}

TEST(ErrnoWireTest, SuccessIsZeroAndNothingElseIs) {
  EXPECT_EQ(errno_to_wire(0), 0);
  EXPECT_EQ(errno_from_wire(0), 0);
  EXPECT_EQ(errno_to_wire(-1), errno_to_wire(EIO));
}

TEST(ErrnoWireTest, ReservedNumbersAreNotErrnos) {
  EXPECT_EQ(errno_from_wire(kErrorRedirect), EIO);
  EXPECT_EQ(errno_from_wire(kErrorProveHandle), EIO);
  EXPECT_EQ(errno_from_wire(kErrorHandleGone), ESTALE) << "for whoever does not ask which kind";
}

}  // namespace
}  // namespace qnet::wire
