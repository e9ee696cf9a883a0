// SPDX-License-Identifier: Apache-2.0
//
// no_throw.cpp: what happens where libstdc++ would throw?
//
// std::string_view checks positions in substr() and copy(). The library never passes wrong ones, and nothing may be
// thrown into a program that did not ask for C++. Defining the check's end here keeps libstdc++'s exceptions, demangler
// and unwinder out: half of the library's size, and of what it costs at the start of every program.
#include <cstdlib>

namespace std {
[[noreturn]] __attribute__((visibility("hidden"))) void __throw_out_of_range_fmt(const char*, ...);
void __throw_out_of_range_fmt(const char*, ...) {
  std::abort();
}
}  // namespace std
