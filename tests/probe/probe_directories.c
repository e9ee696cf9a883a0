// SPDX-License-Identifier: Apache-2.0
//
// probe_directories.c: are directories listed as they are?
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/probe/probe.h"

enum { kNamesMax = 4096 };

static int by_name(const void* a, const void* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}

/// Names and types in alphabetical order, however the file system gives them.
static void tell_sorted(const char* step, char** names, int count) {
  static char text[64 << 10];
  size_t length = 0;
  qsort(names, (size_t)count, sizeof(*names), by_name);
  text[0] = '\0';
  for (int i = 0; i < count; ++i) {
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%s ", names[i]);
    free(names[i]);
  }
  tell_text(step, text);
}

static void tell_entries(const char* step, DIR* stream) {
  static char* names[kNamesMax];
  int count = 0;
  const struct dirent* entry;
  errno = 0;
  while (count < kNamesMax && (entry = readdir(stream)) != NULL) {
    char name[300];
    const int has_inode = entry->d_ino != 0 && entry->d_reclen >= 24 && entry->d_reclen % 8 == 0;
    snprintf(name, sizeof(name), "%s:%d%s", entry->d_name, entry->d_type, has_inode ? "" : "!");
    names[count++] = strdup(name);
  }
  tell_status(step, count, errno != 0);
  tell_sorted(step, names, count);
}

static void make_tree(const char* directory) {
  mkdir(directory, 0755);
  make_file(in(directory, "file"), "12345");
  make_file(in(directory, "other"), "");
  mkdir(in(directory, "sub"), 0755);
  make_file(in(in(directory, "sub"), "below"), "x");
  if (symlink("file", in(directory, "link")) != 0 && errno != EEXIST) exit(3);
  if (symlink("nowhere", in(directory, "dangling")) != 0 && errno != EEXIST) exit(3);
  if (mkfifo(in(directory, "fifo"), 0644) != 0 && errno != EEXIST) exit(3);
  make_file(in(directory, ".hidden"), "");
}

static void run_dirs(char** argv) {
  const char* const path = in(argv[0], "tree");
  make_tree(path);
  DIR* stream = opendir(path);
  tell_status("opendir", stream != NULL, stream == NULL);
  tell("close-on-exec", fcntl(dirfd(stream), F_GETFD));
  tell_entries("entries", stream);
  tell_status("readdir at the end", readdir(stream) != NULL, 0);
  rewinddir(stream);
  tell_entries("again", stream);
  struct stat status;
  tell("fstatat", fstatat(dirfd(stream), "file", &status, 0));
  tell("size", (long)status.st_size);
  tell("openat below", close(openat(dirfd(stream), "sub/below", O_RDONLY)));
  tell("closedir", closedir(stream));

  int fd = open(path, O_RDONLY | O_DIRECTORY);
  stream = fdopendir(fd);
  tell("fdopendir", stream != NULL && dirfd(stream) == fd);
  tell_entries("entries", stream);
  tell("closedir", closedir(stream));
  tell("descriptor", fcntl(fd, F_GETFD));

  fd = open(in(path, "file"), O_RDONLY);
  tell_status("fdopendir of a file", fdopendir(fd) != NULL, 1);
  close(fd);
  tell_status("opendir of a file", opendir(in(path, "file")) != NULL, 1);
  tell_status("opendir missing", opendir(in(path, "none")) != NULL, 1);
  tell_status("opendir empty", opendir("") != NULL, 1);
}

/// telldir() and seekdir() come back to the same entry.
static void run_seekdir(char** argv) {
  const char* const path = in(argv[0], "many");
  mkdir(path, 0755);
  for (int i = 0; i < 2000; ++i) {
    char name[64];
    snprintf(name, sizeof(name), "entry-with-a-longer-name-%04d", i);
    make_file(in(path, name), "");
  }
  DIR* const stream = opendir(path);
  static char names[2002][256];
  long places[2002];
  int count = 0;
  for (const struct dirent* entry; count < 2002; ++count) {
    places[count] = telldir(stream);
    if ((entry = readdir(stream)) == NULL) break;
    snprintf(names[count], sizeof(names[0]), "%s", entry->d_name);
  }
  tell("entries", count);
  int same = 0;
  for (int i = count - 1; i >= 0; i -= 97) {
    seekdir(stream, places[i]);
    const struct dirent* const entry = readdir(stream);
    same += entry != NULL && strcmp(entry->d_name, names[i]) == 0;
  }
  tell("found again", same);
  struct dirent memory, *result = NULL;
  rewinddir(stream);
  count = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  while (readdir_r(stream, &memory, &result) == 0 && result == &memory) ++count;
#pragma GCC diagnostic pop
  tell("readdir_r", count);
  closedir(stream);
  for (int i = 0; i < 2000; ++i) {
    char name[64];
    snprintf(name, sizeof(name), "entry-with-a-longer-name-%04d", i);
    if (unlink(in(path, name)) != 0) tell(name, -1);
  }
  tell("rmdir", rmdir(path));
}

static void run_getdents(char** argv) {
  const char* const path = in(argv[0], "tree");
  make_tree(path);
  static char* names[kNamesMax];
  const size_t rooms[] = {32768, 600, 64, 32};
  for (size_t r = 0; r < sizeof(rooms) / sizeof(rooms[0]); ++r) {
    const int fd = open(path, O_RDONLY);
    char buffer[32768];
    int count = 0;
    ssize_t bytes;
    while ((bytes = getdents64(fd, buffer, rooms[r])) > 0) {
      for (ssize_t at = 0; at < bytes && count < kNamesMax;) {
        const struct dirent64* const entry = (const struct dirent64*)(buffer + at);
        names[count++] = strdup(entry->d_name);
        at += entry->d_reclen;
      }
    }
    tell("getdents64", bytes);
    tell_sorted("names", names, count);
    close(fd);
  }
  char small[8];
  const int fd = open(path, O_RDONLY);
  tell("too small", getdents64(fd, small, sizeof(small)));
  tell("read of a directory", read(fd, small, sizeof(small)));
  close(fd);
  const int file = open(in(path, "file"), O_RDONLY);
  tell("of a file", getdents64(file, small, sizeof(small)));
}

static int only_letters_up_to_m(const struct dirent* entry) {
  return entry->d_name[0] >= 'a' && entry->d_name[0] <= 'm';
}

static void run_scandir(char** argv) {
  const char* const path = in(argv[0], "tree");
  make_tree(path);
  struct dirent** list = NULL;
  int count = scandir(path, &list, only_letters_up_to_m, alphasort);
  tell("scandir", count);
  for (int i = 0; i < count; ++i) {
    tell_text("entry", list[i]->d_name);
    free(list[i]);
  }
  free(list);
  const int fd = open(argv[0], O_RDONLY | O_DIRECTORY);
  count = scandirat(fd, "tree", &list, NULL, versionsort);
  tell("scandirat", count);
  if (count > 2) tell_text("third", list[2]->d_name);
  tell("missing", scandir(in(path, "none"), &list, NULL, NULL));
}

/// Names relative to a directory that was renamed and to one that was removed.
static void run_moved(char** argv) {
  const char* const path = in(argv[0], "moving");
  const char* const moved = in(argv[0], "moved");
  mkdir(path, 0755);
  make_file(in(path, "inside"), "found");
  const int fd = open(path, O_RDONLY | O_DIRECTORY);
  tell("rename", rename(path, moved));
  struct stat status;
  tell("fstatat", fstatat(fd, "inside", &status, 0));
  tell("unlinkat", unlinkat(fd, "inside", 0));
  tell("rmdir", rmdir(moved));
  tell("fstatat removed", fstatat(fd, "inside", &status, 0));
  tell("openat removed", openat(fd, "new", O_CREAT | O_WRONLY, 0644));
  tell("fstat removed", fstat(fd, &status));
  tell("links", (long)status.st_nlink);
  DIR* const stream = fdopendir(fd);
  errno = 0;
  tell_status("readdir removed", readdir(stream) != NULL, errno != 0);
  tell("closedir", closedir(stream));
}

const struct command directory_commands[] = {
    {"dirs", "DIRECTORY", 1, run_dirs},         {"seekdir", "DIRECTORY", 1, run_seekdir},
    {"getdents", "DIRECTORY", 1, run_getdents}, {"scandir", "DIRECTORY", 1, run_scandir},
    {"moved", "DIRECTORY", 1, run_moved},       {NULL, NULL, 0, NULL},
};
