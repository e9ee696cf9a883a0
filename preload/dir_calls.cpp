// SPDX-License-Identifier: Apache-2.0
//
// dir_calls.cpp: how are remote directories listed? (opendir and its family, getdents64, scandir)
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_directory.hpp"

namespace qnet::preload {
namespace {

using Filter = int (*)(const struct dirent*);
using Compare = int (*)(const struct dirent**, const struct dirent**);

DIR* take_descriptor(int fd) {
  RemoteFd found;
  if (!find_remote(fd, found)) return libc().fdopendir(fd);
  RemoteDirectory* const directory = RemoteDirectory::open(found);
  return directory != nullptr ? directory->as_stream() : nullptr;
}

/// By our own openat(), so that the path may be anywhere.
DIR* open_anywhere(int dirfd, const char* path) {
  const int fd = qnet_openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK, 0);
  if (fd < 0) return nullptr;
  DIR* const stream = take_descriptor(fd);
  if (stream == nullptr) {
    const KeepErrno keep;
    qnet_close(fd);
  }
  return stream;
}

struct EntryList {
  struct dirent** entries = nullptr;
  std::size_t count = 0, room = 0;

  bool add(const struct dirent& entry) {
    if (count == room) {
      const std::size_t more = room == 0 ? 64 : room * 2;
      void* const grown = realloc(entries, more * sizeof(*entries));
      if (grown == nullptr) return false;
      entries = static_cast<struct dirent**>(grown);
      room = more;
    }
    auto* const copy = static_cast<struct dirent*>(malloc(entry.d_reclen));
    if (copy == nullptr) return false;
    memcpy(copy, &entry, entry.d_reclen);
    entries[count++] = copy;
    return true;
  }
  void drop() {
    while (count > 0) free(entries[--count]);
    free(entries);
  }
};

/// scandir(3) on an open directory, which it closes.
int scan(DIR* stream, struct dirent*** list, Filter filter, Compare compare) {
  const int saved = errno;
  EntryList found;
  bool is_complete = false;
  for (;;) {
    errno = 0;
    const struct dirent* const entry = qnet_readdir(stream);
    if (entry == nullptr) {
      is_complete = errno == 0;
      break;
    }
    if (filter != nullptr) {
      errno = 0;
      if (filter(entry) == 0) continue;
    }
    if (!found.add(*entry)) {
      errno = ENOMEM;
      break;
    }
  }
  {
    const KeepErrno keep;
    qnet_closedir(stream);
    if (!is_complete) found.drop();
  }
  if (!is_complete) return -1;
  if (compare != nullptr && found.count > 1) {
    qsort(found.entries, found.count, sizeof(*found.entries),
          reinterpret_cast<int (*)(const void*, const void*)>(compare));
  }
  *list = found.entries;
  errno = saved;
  return static_cast<int>(found.count);
}

int scan_path(int dirfd, const char* path, struct dirent*** list, Filter filter, Compare compare) {
  DIR* const stream = open_anywhere(dirfd, path);
  return stream == nullptr ? -1 : scan(stream, list, filter, compare);
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" DIR* qnet_opendir(const char* path) {
  return open_by_path(
      path, [](const char* local_path) { return libc().opendir(local_path); },
      [](const char* remote_path) { return open_anywhere(AT_FDCWD, remote_path); });
}

extern "C" DIR* qnet_fdopendir(int fd) {
  return may_be_remote(fd) ? take_descriptor(fd) : libc().fdopendir(fd);
}

extern "C" struct dirent* qnet_readdir(DIR* stream) {
  RemoteDirectory* const directory = RemoteDirectory::from(stream);
  return directory == nullptr ? libc().readdir(stream) : directory->next();
}

extern "C" int qnet_readdir_r(DIR* stream, struct dirent* entry, struct dirent** result) {
  RemoteDirectory* const directory = RemoteDirectory::from(stream);
  return directory == nullptr ? libc().readdir_r(stream, entry, result) : directory->next_into(entry, result);
}

extern "C" int qnet_closedir(DIR* stream) {
  RemoteDirectory* const directory = RemoteDirectory::from(stream);
  return directory == nullptr ? libc().closedir(stream) : qnet_close(directory->release());
}

extern "C" void qnet_rewinddir(DIR* stream) {
  RemoteDirectory* const directory = RemoteDirectory::from(stream);
  directory == nullptr ? libc().rewinddir(stream) : directory->go_to(0);
}

extern "C" void qnet_seekdir(DIR* stream, long position) {
  RemoteDirectory* const directory = RemoteDirectory::from(stream);
  directory == nullptr ? libc().seekdir(stream, position) : directory->go_to(position);
}

extern "C" long qnet_telldir(DIR* stream) {
  RemoteDirectory* const directory = RemoteDirectory::from(stream);
  return directory == nullptr ? libc().telldir(stream) : directory->position();
}

extern "C" int qnet_dirfd(DIR* stream) {
  RemoteDirectory* const directory = RemoteDirectory::from(stream);
  return directory == nullptr ? libc().dirfd(stream) : directory->fd();
}

extern "C" ssize_t qnet_getdents64(int fd, void* buffer, size_t room) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().getdents64(fd, buffer, room);
  return list_directory(found, buffer, room);
}

extern "C" ssize_t qnet_getdirentries(int fd, char* buffer, size_t room, off_t* position) {
  RemoteFd found;
  if (!may_be_remote(fd) || !find_remote(fd, found)) return libc().getdirentries(fd, buffer, room, position);
  const off_t before = qnet_lseek(fd, 0, SEEK_CUR);
  if (before < 0) return -1;
  *position = before;
  return list_directory(found, buffer, room);
}

extern "C" int qnet_scandir(const char* path, struct dirent*** list, int (*filter)(const struct dirent*),
                            int (*compare)(const struct dirent**, const struct dirent**)) {
  return qnet_scandirat(AT_FDCWD, path, list, filter, compare);
}

extern "C" int qnet_scandirat(int dirfd, const char* path, struct dirent*** list, int (*filter)(const struct dirent*),
                              int (*compare)(const struct dirent**, const struct dirent**)) {
  if (is_plainly_local(dirfd, path)) {
    const int count = libc().scandirat(dirfd, path, list, filter, compare);
    if (count >= 0 || !may_be_symlink(errno)) return count;
  }
  return scan_path(dirfd, path, list, filter, compare);
}
