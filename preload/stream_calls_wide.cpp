// SPDX-License-Identifier: Apache-2.0
//
// stream_calls_wide.cpp: what do the wide-character functions do with a stream of ours?
//
// libc crashes on them (wide input) or refuses them (wide output), so they are made of the byte functions here: the
// multibyte encoding is the current locale's. Byte and wide functions may be mixed on such a stream. fwscanf() alone
// stays libc's and answers EOF.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_stream.hpp"

extern "C" [[noreturn]] void __chk_fail();

namespace qnet::preload {
namespace {

class StreamLock {
 public:
  explicit StreamLock(FILE* stream) : stream_(stream) { flockfile(stream); }
  ~StreamLock() { funlockfile(stream_); }
  StreamLock(const StreamLock&) = delete;
  StreamLock& operator=(const StreamLock&) = delete;

 private:
  FILE* stream_;
};

/// ferror() must tell it from the end of the file.
wint_t fail_encoding(FILE* stream) {
  constexpr int kErrorSeen = 0x20;  // FILE::_flags, part of libc's ABI
  stream->_flags |= kErrorSeen;
  errno = EILSEQ;
  return WEOF;
}

wint_t get_wide(FILE* stream, RemoteStream& cookie) {
  if (cookie.orientation == 0) cookie.orientation = 1;
  for (;;) {
    const int got = getc_unlocked(stream);
    if (got == EOF) return mbsinit(&cookie.input_state) != 0 ? WEOF : fail_encoding(stream);
    const char byte = static_cast<char>(got);
    wchar_t letter = 0;
    const std::size_t used = mbrtowc(&letter, &byte, 1, &cookie.input_state);
    if (used == static_cast<std::size_t>(-2)) continue;
    if (used == static_cast<std::size_t>(-1)) {
      cookie.input_state = {};
      return fail_encoding(stream);
    }
    return static_cast<wint_t>(letter);
  }
}

wchar_t* get_line(wchar_t* line, int room, FILE* stream, RemoteStream& cookie) {
  if (room <= 0) return nullptr;
  const bool had_failed = ferror_unlocked(stream) != 0;
  int count = 0;
  while (count < room - 1) {
    const wint_t letter = get_wide(stream, cookie);
    if (letter == WEOF) {
      if (count == 0 || (!had_failed && ferror_unlocked(stream) != 0)) return nullptr;
      break;
    }
    line[count++] = static_cast<wchar_t>(letter);
    if (letter == L'\n') break;
  }
  line[count] = L'\0';
  return line;
}

wint_t put_wide(wchar_t letter, FILE* stream, RemoteStream& cookie) {
  if (cookie.orientation == 0) cookie.orientation = 1;
  char bytes[MB_LEN_MAX];
  const std::size_t count = wcrtomb(bytes, letter, &cookie.output_state);
  if (count == static_cast<std::size_t>(-1)) return fail_encoding(stream);
  return fwrite_unlocked(bytes, 1, count, stream) == count ? static_cast<wint_t>(letter) : WEOF;
}

int put_text(const wchar_t* text, FILE* stream, RemoteStream& cookie) {
  for (; *text != L'\0'; ++text) {
    if (put_wide(*text, stream, cookie) == WEOF) return -1;
  }
  return 1;
}

wint_t unget_wide(wint_t letter, FILE* stream, RemoteStream& cookie) {
  if (letter == WEOF) return WEOF;
  char bytes[MB_LEN_MAX];
  mbstate_t state{};
  const std::size_t count = wcrtomb(bytes, static_cast<wchar_t>(letter), &state);
  if (count == static_cast<std::size_t>(-1)) return fail_encoding(stream);
  for (std::size_t i = count; i-- > 0;) {
    if (ungetc(static_cast<unsigned char>(bytes[i]), stream) == EOF) return WEOF;
  }
  cookie.input_state = {};
  return letter;
}

/// libc formats into memory; `fortify` as in __vfwprintf_chk, negative for the plain function.
int print_wide(FILE* stream, RemoteStream& cookie, int fortify, const wchar_t* format, va_list arguments) {
  wchar_t* text = nullptr;
  std::size_t length = 0;
  FILE* const memory = open_wmemstream(&text, &length);
  if (memory == nullptr) return -1;
  const int count = fortify < 0 ? libc().vfwprintf(memory, format, arguments)
                                : libc().__vfwprintf_chk(memory, fortify, format, arguments);
  const KeepErrno keep;
  fclose(memory);
  int result = count;
  if (count >= 0) {
    const StreamLock lock(stream);
    for (std::size_t i = 0; i < length && result >= 0; ++i) {
      if (put_wide(text[i], stream, cookie) == WEOF) result = -1;
    }
  }
  free(text);
  return result;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_fwide(FILE* stream, int mode) {
  RemoteStream* const cookie = is_ours(stream);
  if (cookie == nullptr) return libc().fwide(stream, mode);
  const StreamLock lock(stream);
  const bool has_bytes = cookie->was_used || stream->_IO_write_ptr > stream->_IO_write_base;
  if (cookie->orientation == 0 && has_bytes) cookie->orientation = -1;
  if (cookie->orientation == 0 && mode != 0) cookie->orientation = mode < 0 ? -1 : 1;
  return cookie->orientation;
}

extern "C" wint_t qnet_fgetwc_unlocked(FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  return cookie == nullptr ? libc().fgetwc_unlocked(stream) : get_wide(stream, *cookie);
}

extern "C" wint_t qnet_fgetwc(FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  if (cookie == nullptr) return libc().fgetwc(stream);
  const StreamLock lock(stream);
  return get_wide(stream, *cookie);
}

extern "C" wint_t qnet_getwchar() {
  return qnet_fgetwc(stdin);
}
extern "C" wint_t qnet_getwchar_unlocked() {
  return qnet_fgetwc_unlocked(stdin);
}

extern "C" wchar_t* qnet_fgetws_unlocked(wchar_t* line, int room, FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  return cookie == nullptr ? libc().fgetws_unlocked(line, room, stream) : get_line(line, room, stream, *cookie);
}

extern "C" wchar_t* qnet_fgetws(wchar_t* line, int room, FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  if (cookie == nullptr) return libc().fgetws(line, room, stream);
  const StreamLock lock(stream);
  return get_line(line, room, stream, *cookie);
}

extern "C" wchar_t* qnet___fgetws_chk(wchar_t* line, size_t object_room, int room, FILE* stream) {
  if (room > 0 && static_cast<size_t>(room) > object_room) __chk_fail();
  return qnet_fgetws(line, room, stream);
}

extern "C" wchar_t* qnet___fgetws_unlocked_chk(wchar_t* line, size_t object_room, int room, FILE* stream) {
  if (room > 0 && static_cast<size_t>(room) > object_room) __chk_fail();
  return qnet_fgetws_unlocked(line, room, stream);
}

extern "C" wint_t qnet_ungetwc(wint_t letter, FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  if (cookie == nullptr) return libc().ungetwc(letter, stream);
  const StreamLock lock(stream);
  return unget_wide(letter, stream, *cookie);
}

extern "C" wint_t qnet_fputwc_unlocked(wchar_t letter, FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  return cookie == nullptr ? libc().fputwc_unlocked(letter, stream) : put_wide(letter, stream, *cookie);
}

extern "C" wint_t qnet_fputwc(wchar_t letter, FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  if (cookie == nullptr) return libc().fputwc(letter, stream);
  const StreamLock lock(stream);
  return put_wide(letter, stream, *cookie);
}

extern "C" wint_t qnet_putwchar(wchar_t letter) {
  return qnet_fputwc(letter, stdout);
}
extern "C" wint_t qnet_putwchar_unlocked(wchar_t letter) {
  return qnet_fputwc_unlocked(letter, stdout);
}

extern "C" int qnet_fputws_unlocked(const wchar_t* text, FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  return cookie == nullptr ? libc().fputws_unlocked(text, stream) : put_text(text, stream, *cookie);
}

extern "C" int qnet_fputws(const wchar_t* text, FILE* stream) {
  RemoteStream* const cookie = is_ours(stream);
  if (cookie == nullptr) return libc().fputws(text, stream);
  const StreamLock lock(stream);
  return put_text(text, stream, *cookie);
}

extern "C" int qnet_vfwprintf(FILE* stream, const wchar_t* format, va_list arguments) {
  RemoteStream* const cookie = is_ours(stream);
  return cookie == nullptr ? libc().vfwprintf(stream, format, arguments)
                           : print_wide(stream, *cookie, -1, format, arguments);
}

extern "C" int qnet___vfwprintf_chk(FILE* stream, int fortify, const wchar_t* format, va_list arguments) {
  RemoteStream* const cookie = is_ours(stream);
  return cookie == nullptr ? libc().__vfwprintf_chk(stream, fortify, format, arguments)
                           : print_wide(stream, *cookie, fortify, format, arguments);
}

extern "C" int qnet_fwprintf(FILE* stream, const wchar_t* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = qnet_vfwprintf(stream, format, arguments);
  va_end(arguments);
  return count;
}

extern "C" int qnet___fwprintf_chk(FILE* stream, int fortify, const wchar_t* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = qnet___vfwprintf_chk(stream, fortify, format, arguments);
  va_end(arguments);
  return count;
}

extern "C" int qnet_wprintf(const wchar_t* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = qnet_vfwprintf(stdout, format, arguments);
  va_end(arguments);
  return count;
}

extern "C" int qnet___wprintf_chk(int fortify, const wchar_t* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int count = qnet___vfwprintf_chk(stdout, fortify, format, arguments);
  va_end(arguments);
  return count;
}

extern "C" int qnet_vwprintf(const wchar_t* format, va_list arguments) {
  return qnet_vfwprintf(stdout, format, arguments);
}

extern "C" int qnet___vwprintf_chk(int fortify, const wchar_t* format, va_list arguments) {
  return qnet___vfwprintf_chk(stdout, fortify, format, arguments);
}
