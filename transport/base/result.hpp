// SPDX-License-Identifier: Apache-2.0
//
// result.hpp: how does a function fail?
//
// Result<T> holds a value or an Error. An error is an errno of this host, because an errno is what the application must
// see in the end (design D8); `where` names the function or system call for the log. Nothing is allocated.
// Not here: the numbers that travel (wire/errno_wire.hpp); our own bugs (check.hpp).
#pragma once

#include <cerrno>
#include <expected>

namespace qnet {

struct Error {
  int code = 0;            ///< errno of this host, never 0
  const char* where = "";  ///< static text: which step failed

  friend bool operator==(const Error& a, const Error& b) { return a.code == b.code; }
};

template <class T>
using Result = std::expected<T, Error>;

/// A function that can fail and has nothing to say when it does not.
using Status = Result<void>;

inline std::unexpected<Error> fail(int code, const char* where) {
  return std::unexpected(Error{code, where});
}
inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(error);
}

/// The failure of the system call that has just returned -1.
inline std::unexpected<Error> fail_errno(const char* where) {
  return std::unexpected(Error{errno, where});
}

}  // namespace qnet
