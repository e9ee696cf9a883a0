// SPDX-License-Identifier: Apache-2.0
//
// temp_calls.cpp: how are temporary names and files made on a node? (mkstemp, tmpfile, tempnam and so on)
//
// libc's functions open files inside libc. Ours try names until one is free, with O_EXCL at the owner.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_stream.hpp"

namespace qnet::preload {
namespace {

constexpr std::size_t kLetterCount = 6;  // "XXXXXX"
/// One of 62^6 names taken is an accident, this many are an attack.
constexpr int kAttemptsMax = 1024;

void fill_letters(char* letters) {
  constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  std::uint64_t random = 0;
  if (is_raw_error(raw_syscall(SYS_getrandom, &random, sizeof(random), 0))) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    random = (static_cast<std::uint64_t>(now.tv_nsec) << 32) ^ reinterpret_cast<std::uintptr_t>(letters);
  }
  for (std::size_t i = 0; i < kLetterCount; ++i) {
    letters[i] = kAlphabet[random % 62];
    random /= 62;
  }
}

/// The six letters of `name` that are to be replaced, or null and EINVAL.
char* find_letters(char* name, int suffix_bytes) {
  const std::size_t length = strlen(name);
  const auto behind = static_cast<std::size_t>(suffix_bytes);
  if (suffix_bytes < 0 || length < kLetterCount + behind ||
      memcmp(name + length - behind - kLetterCount, "XXXXXX", kLetterCount) != 0) {
    errno = EINVAL;
    return nullptr;
  }
  return name + length - behind - kLetterCount;
}

/// Calls `attempt` (-1 and EEXIST: taken) with one name after the other.
template <class Attempt>
int try_names(char* letters, Attempt attempt) {
  for (int i = 0; i < kAttemptsMax; ++i) {
    fill_letters(letters);
    const int saved = errno;
    const int result = attempt();
    if (result >= 0 || errno != EEXIST) return result;
    errno = saved;
  }
  return refuse(EEXIST);
}

int create_file(char* name, char* letters, int flags) {
  constexpr mode_t kOnlyOwner = 0600;
  const int open_flags = (flags & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL;
  return try_names(letters, [=] { return qnet_open(name, open_flags, kOnlyOwner); });
}

/// A name that does not exist.
int choose_name(const char* name, char* letters) {
  return try_names(letters, [=] {
    struct stat status;
    if (qnet_lstat(name, &status) == 0) return refuse(EEXIST);
    return errno == ENOENT ? 0 : -1;
  });
}

/// The whole of the family: first libc, then we.
template <class Local, class Remote>
auto with_template(char* name, int suffix_bytes, Local local, Remote remote, decltype(local()) failure)
    -> decltype(local()) {
  char* const letters = find_letters(name, suffix_bytes);
  if (letters == nullptr) return failure;
  if (is_plainly_local(AT_FDCWD, name)) {
    const auto result = local();
    if (result != failure || !may_be_symlink(errno)) return result;
    memcpy(letters, "XXXXXX", kLetterCount);  // libc has left the last name it tried.
  }
  return remote(letters);
}

int make_file(char* name, int suffix_bytes, int flags) {
  return with_template(
      name, suffix_bytes, [=] { return libc().mkostemps(name, suffix_bytes, flags); },
      [=](char* letters) { return create_file(name, letters, flags); }, -1);
}

bool is_directory(const char* path) {
  struct stat status;
  const KeepErrno keep;
  return path != nullptr && qnet_stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/// Writes "directory/prefixXXXXXX"; null and ENAMETOOLONG if it does not fit. Returns the letters.
char* compose(char* name, std::size_t room, const char* directory, const char* prefix) {
  std::size_t length = strlen(directory);
  while (length > 1 && directory[length - 1] == '/') --length;
  constexpr int kPrefixMax = 5;  // tempnam(3)
  const int count = snprintf(name, room, "%.*s/%.*sXXXXXX", static_cast<int>(length), directory, kPrefixMax, prefix);
  if (count < 0 || static_cast<std::size_t>(count) >= room) {
    errno = ENAMETOOLONG;
    return nullptr;
  }
  return name + count - kLetterCount;
}

/// tmpnam(3) in /tmp, which QNET_MAP has put on a node.
char* name_in_tmp(char* name) {
  char* const letters = compose(name, L_tmpnam, P_tmpdir, "file");
  return letters != nullptr && choose_name(name, letters) == 0 ? name : nullptr;
}

FILE* make_anonymous_file() {
  char name[L_tmpnam + 16];
  char* const letters = compose(name, sizeof(name), P_tmpdir, "tmpf");
  if (letters == nullptr) return nullptr;
  const int fd = create_file(name, letters, 0);
  if (fd < 0) return nullptr;
  qnet_unlink(name);
  FILE* const stream = qnet_fdopen(fd, "w+");
  if (stream == nullptr) {
    const KeepErrno keep;
    qnet_close(fd);
  }
  return stream;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_mkstemp(char* name) {
  return make_file(name, 0, 0);
}
extern "C" int qnet_mkostemp(char* name, int flags) {
  return make_file(name, 0, flags);
}
extern "C" int qnet_mkstemps(char* name, int suffix_bytes) {
  return make_file(name, suffix_bytes, 0);
}
extern "C" int qnet_mkostemps(char* name, int suffix_bytes, int flags) {
  return make_file(name, suffix_bytes, flags);
}

extern "C" char* qnet_mkdtemp(char* name) {
  return with_template(
      name, 0, [=] { return libc().mkdtemp(name); },
      [=](char* letters) { return try_names(letters, [=] { return qnet_mkdir(name, 0700); }) == 0 ? name : nullptr; },
      static_cast<char*>(nullptr));
}

extern "C" char* qnet_mktemp(char* name) {
  if (!leads_away(name)) return libc().mktemp(name);
  char* const letters = find_letters(name, 0);
  if (letters == nullptr || choose_name(name, letters) != 0) *name = '\0';
  return name;
}

extern "C" char* qnet_tempnam(const char* directory, const char* prefix) {
  const char* const wanted = secure_getenv("TMPDIR");
  const bool is_local = (wanted == nullptr || !leads_away(wanted)) &&
                        (directory == nullptr || !leads_away(directory)) && !leads_away(P_tmpdir);
  if (is_local) return libc().tempnam(directory, prefix);

  const char* const chosen = is_directory(wanted) ? wanted : is_directory(directory) ? directory : P_tmpdir;
  if (prefix == nullptr || *prefix == '\0') prefix = "file";
  const std::size_t room = strlen(chosen) + 16;
  auto* const name = static_cast<char*>(malloc(room));
  if (name == nullptr) return nullptr;
  char* const letters = compose(name, room, chosen, prefix);
  if (letters != nullptr && choose_name(name, letters) == 0) return name;
  const KeepErrno keep;
  free(name);
  return nullptr;
}

extern "C" char* qnet_tmpnam(char* name) {
  if (!leads_away(P_tmpdir)) return libc().tmpnam(name);
  static char shared[L_tmpnam];  // As libc's: not for threads.
  char fresh[L_tmpnam];
  if (name_in_tmp(fresh) == nullptr) return nullptr;
  return strcpy(name != nullptr ? name : shared, fresh);
}

extern "C" char* qnet_tmpnam_r(char* name) {
  if (!leads_away(P_tmpdir)) return libc().tmpnam_r(name);
  return name == nullptr ? nullptr : name_in_tmp(name);
}

extern "C" FILE* qnet_tmpfile() {
  if (is_plainly_local(AT_FDCWD, P_tmpdir)) {
    FILE* const stream = libc().tmpfile();
    if (stream != nullptr || !may_be_symlink(errno)) return stream;
  }
  return make_anonymous_file();
}
