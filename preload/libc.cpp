// SPDX-License-Identifier: Apache-2.0
#include "preload/libc.hpp"

#include <dlfcn.h>

#include <cerrno>
#include <cstring>

#include "preload/entry.hpp"

namespace qnet::preload {
namespace {

/// Functions of which libc keeps an older twin with another behaviour (x86-64; other machines began later and have
/// one). Some versions of dlsym(RTLD_NEXT) give the twin.
struct DefaultVersion {
  const char* name;
  const char* version;
};
constexpr DefaultVersion kDefaultVersions[] = {
    {"realpath", "GLIBC_2.3"},      {"glob", "GLIBC_2.27"},     {"glob64", "GLIBC_2.27"},
    {"nftw", "GLIBC_2.3.3"},        {"nftw64", "GLIBC_2.3.3"},  {"posix_spawn", "GLIBC_2.15"},
    {"posix_spawnp", "GLIBC_2.15"}, {"fmemopen", "GLIBC_2.22"}, {"sem_open", "GLIBC_2.34"},
};

#if defined(__x86_64__)
constexpr const char* kOldestVersion = "GLIBC_2.2.5";
#else
constexpr const char* kOldestVersion = "GLIBC_2.17";
#endif

}  // namespace

constinit LibcTable libc_table;

void* find_real(const char* name) {
  const KeepErrno keep;
  for (const DefaultVersion& wanted : kDefaultVersions) {
    if (std::strcmp(wanted.name, name) != 0) continue;
    if (void* const found = ::dlvsym(RTLD_NEXT, name, wanted.version)) return found;
  }
  if (void* const found = ::dlsym(RTLD_NEXT, name)) return found;
  // Names that libc keeps for old programs only: the stat family before 2.33.
  return ::dlvsym(RTLD_NEXT, name, kOldestVersion);
}

long finish_system_call(long result) {
  if (!is_raw_error(result)) return result;
  errno = static_cast<int>(-result);
  return -1;
}

}  // namespace qnet::preload
