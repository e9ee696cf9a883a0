// SPDX-License-Identifier: Apache-2.0
//
// libc.hpp: where is the real function?
//
// libc().<name>(…) calls what the program would have got without us: the next definition in the search order, so that
// other preloaded libraries keep working and cancellation points stay libc's. Found at the first use of each function,
// nothing at start. Until the constructor has run, calls of kind Kernel and Boot are system calls of our own:
// allocators and other libraries' constructors call open() and read() while they hold locks that dlsym() may want.
// Threads:  any; signal-safe once found.
#pragma once

#include <sys/syscall.h>

#include <atomic>
#include <type_traits>

#include "preload/boot_calls.hpp"
#include "preload/calls.hpp"
#include "preload/state.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {

/// The default version of libc's `name`, or null. Keeps errno.
void* find_real(const char* name);
/// errno and -1 from what the kernel returned.
long finish_system_call(long result);

// The kinds of calls.def.
template <long kNumber>
struct Kernel {
  template <class Value, class... Parameters>
  static Value call(Parameters... parameters) {
    return static_cast<Value>(finish_system_call(raw_syscall(kNumber, parameters...)));
  }
};
template <auto kFunction>
struct Boot {
  template <class Value, class... Parameters>
  static Value call(Parameters... parameters) {
    return kFunction(parameters...);
  }
};
struct Libc {
  /// A libc without the function.
  template <class Value, class... Parameters>
  static Value call(Parameters...) {
    errno = ENOSYS;
    if constexpr (std::is_pointer_v<Value>) return nullptr;
    else if constexpr (!std::is_void_v<Value>) return static_cast<Value>(-1);
  }
};
struct Own {};

template <class Signature, class Kind>
class RealCall;

template <class Signature>
class RealCall<Signature, Own> {
 public:
  constexpr explicit RealCall(const char* /*name*/) {}
};

template <class Value, class... Parameters, class Kind>
requires(!std::is_same_v<Kind, Own>) class RealCall<Value(Parameters...), Kind> {
 public:
  using Function = Value(Parameters...);

  constexpr explicit RealCall(const char* name) : name_(name) {}

  Value operator()(Parameters... parameters) const {
    Function* function = found_.load(std::memory_order_relaxed);
    if (function == nullptr) [[unlikely]]
      function = find();
    return function(parameters...);
  }

 private:
  __attribute__((noinline, cold)) Function* find() const {
    Function* const fallback = &Kind::template call<Value, Parameters...>;
    if constexpr (!std::is_same_v<Kind, Libc>) {
      if (!is_started()) return fallback;
    }
    auto* function = reinterpret_cast<Function*>(find_real(name_));
    if (function == nullptr) function = fallback;
    found_.store(function, std::memory_order_relaxed);
    return function;
  }

  const char* name_;
  mutable std::atomic<Function*> found_ = nullptr;
};

struct LibcTable {
#define QNET_CALL(type, name, parameters, kind, ...) RealCall<decltype(qnet_##name), kind> name{#name};
#include "preload/calls.def"
#undef QNET_CALL
};

extern constinit LibcTable libc_table;
inline const LibcTable& libc() {
  return libc_table;
}

}  // namespace qnet::preload
