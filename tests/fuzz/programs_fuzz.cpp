// SPDX-License-Identifier: Apache-2.0
//
// programs_fuzz.cpp: what does the library make of any file that is to be executed?
//
// The input is the file. A script names an interpreter that stands in its first line; anything may follow "ELF".
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string_view>

#include "preload/program_file.hpp"
#include "transport/base/check.hpp"
#include "transport/base/unique_fd.hpp"

namespace qnet::preload {
namespace {

/// It ends in the line, and the file says it there.
void check_word(const Program& script, std::size_t at, std::string_view file) {
  const std::size_t left = script.line.size() - at;
  const std::size_t size = strnlen(script.line.data() + at, left);
  QNET_CHECK(at >= 2 && size > 0 && size < left);
  const std::string_view word(script.line.data() + at, size);
  QNET_CHECK(file.substr(at, size) == word && word.find('\n') == word.npos);
  QNET_CHECK(word.front() != ' ' && word.front() != '\t' && word.back() != ' ' && word.back() != '\t');
}

void check(std::string_view text) {
  const UniqueFd file(memfd_create("program", MFD_CLOEXEC));
  QNET_CHECK(file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  Program script;
  const Reach reach = look_into(file.get(), script);
  QNET_CHECK((reach == Reach::kScript) == script.is_script());
  if (!script.is_script()) return;
  QNET_CHECK(text.starts_with("#!"));
  check_word(script, script.interpreter_at, text);
  QNET_CHECK(std::strpbrk(script.interpreter(), " \t") == nullptr);
  if (script.argument() == nullptr) return;
  QNET_CHECK(script.argument_at > script.interpreter_at);
  check_word(script, script.argument_at, text);
}

}  // namespace
}  // namespace qnet::preload

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  qnet::preload::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
