// SPDX-License-Identifier: Apache-2.0
//
// entry.hpp: how does a wrapper keep errno and cancellation as the real function would?
//
// A wrapper never re-enters itself: inside the library only raw system calls and libc() pointers are used, so no
// "am I nested" flag is needed.
#pragma once

#include <cerrno>

namespace qnet::preload {

/// Puts errno back on destruction unless leave() saw a failure.
class KeepErrno {
 public:
  KeepErrno() : saved_(errno) {}
  ~KeepErrno() { errno = saved_; }
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;
  void fail(int error) { saved_ = error; }

 private:
  int saved_;
};

#define QNET_EXPORT __attribute__((visibility("default")))

}  // namespace qnet::preload
