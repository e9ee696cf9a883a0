// SPDX-License-Identifier: Apache-2.0
//
// check.hpp: what do we do about our own bugs?
//
// In qnetd, qnetfs, tools and tests an impossible state ends the program with file and line. Never used on input from
// a peer or an application: that is an Error. libqnet.so must not end its host and is built with QNET_CHECK_CONTINUES.
#pragma once

#include <cstdio>
#include <cstdlib>

#ifdef QNET_CHECK_CONTINUES
#define QNET_CHECK(condition) static_cast<void>(condition)
#else
#define QNET_CHECK(condition)                                                                \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: impossible: not (%s)\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
#endif
