// SPDX-License-Identifier: Apache-2.0
//
// raw_syscall.hpp: how is the kernel asked without libc in between?
//
// libc's names are interposed in libqnet.so, and its set*id() calls change every thread. Code that must not be caught
// by the one or do the other calls the kernel itself. Inline, no errno, no allocation, no cancellation point, safe in
// signal handlers. Returns what the kernel returns: a value, or -errno between -4095 and -1.
#pragma once

#include <cstdint>
#include <type_traits>

namespace qnet {

namespace raw {

/// An argument as the kernel takes it: pointers and integers of any width, signed ones sign-extended.
template <class T>
inline long argument(T value) {
  if constexpr (std::is_null_pointer_v<T>) {
    return 0;
  } else if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(value);
  } else {
    return static_cast<long>(value);
  }
}

#if defined(__x86_64__)

// The kernel destroys rcx and r11.
inline long call(long number, long a, long b, long c, long d, long e, long f) {
  long result = number;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

inline long call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

#else
#error "raw_syscall.hpp knows x86-64 and aarch64"
#endif

}  // namespace raw

/// One system call with up to six arguments; those not given are 0.
template <class... Arguments>
inline long raw_syscall(long number, Arguments... arguments) {
  static_assert(sizeof...(Arguments) <= 6, "the kernel takes six arguments");
  const long all[6] = {raw::argument(arguments)...};
  return raw::call(number, all[0], all[1], all[2], all[3], all[4], all[5]);
}

inline bool is_raw_error(long result) {
  return result < 0 && result >= -4095;
}

}  // namespace qnet
