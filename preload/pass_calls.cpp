// SPDX-License-Identifier: Apache-2.0
//
// pass_calls.cpp: which calls are ours by name and libc's in effect?
//
// fileno: a remote stream carries its descriptor number. msync: a mapping of a remote file is memory of the process.
// clone: the child is recognised by its pid at its first remote call (agent/client/connection_pool.hpp).
#include "agent/client/brought.hpp"
#include "preload/libc.hpp"

using namespace qnet::preload;

extern "C" int qnet_fileno(FILE* stream) {
  return libc().fileno(stream);
}

extern "C" int qnet_msync(void* address, size_t length, int flags) {
  return libc().msync(address, length, flags);
}

extern "C" int qnet_clone(int (*function)(void*), void* stack, int flags, void* argument, void* a, void* b, void* c) {
  qnet::client::brought::settle();
  return libc().clone(function, stack, flags, argument, a, b, c);
}
