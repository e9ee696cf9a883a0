// SPDX-License-Identifier: Apache-2.0
//
// probe_calls.c: one libc call with the arguments of the command line; what did it return?
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/probe/probe.h"

static int number(const char* text) {
  return (int)strtol(text, NULL, 0);
}

/// "rwcxtandf": read, write, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW, O_DIRECTORY, O_PATH.
static int open_flags(const char* letters) {
  int flags = strchr(letters, 'w') == NULL ? O_RDONLY : strchr(letters, 'r') == NULL ? O_WRONLY : O_RDWR;
  if (strchr(letters, 'c') != NULL) flags |= O_CREAT;
  if (strchr(letters, 'x') != NULL) flags |= O_EXCL;
  if (strchr(letters, 't') != NULL) flags |= O_TRUNC;
  if (strchr(letters, 'a') != NULL) flags |= O_APPEND;
  if (strchr(letters, 'n') != NULL) flags |= O_NOFOLLOW;
  if (strchr(letters, 'd') != NULL) flags |= O_DIRECTORY;
  if (strchr(letters, 'f') != NULL) flags |= O_PATH;
  return flags;
}

static void run_open(char** argv) {
  const int fd = open(argv[0], open_flags(argv[1]), 0644);
  tell("open", fd < 0 ? -1 : 0);
  if (fd >= 0) tell("close", close(fd));
}

static void tell_attributes(const char* step, int result, const struct stat* status) {
  tell(step, result);
  if (result != 0) return;
  tell("type", status->st_mode & S_IFMT);
  tell("mode", status->st_mode & 07777);
  tell("links", (long)status->st_nlink);
  tell("user", (long)status->st_uid);
  tell("group", (long)status->st_gid);
  if (!S_ISDIR(status->st_mode)) tell("size", (long)status->st_size);
  tell("modified", (long)status->st_mtim.tv_sec);
  tell("modified ns", (long)status->st_mtim.tv_nsec);
}
static void run_stat(char** argv) {
  struct stat status;
  tell_attributes("stat", stat(argv[0], &status), &status);
}
static void run_lstat(char** argv) {
  struct stat status;
  tell_attributes("lstat", lstat(argv[0], &status), &status);
}
static void run_access(char** argv) {
  tell("access", access(argv[0], number(argv[1])));
}
static void run_mkdir(char** argv) {
  tell("mkdir", mkdir(argv[0], (mode_t)number(argv[1])));
}
static void run_rmdir(char** argv) {
  tell("rmdir", rmdir(argv[0]));
}
static void run_unlink(char** argv) {
  tell("unlink", unlink(argv[0]));
}
static void run_remove(char** argv) {
  tell("remove", remove(argv[0]));
}
static void run_rename(char** argv) {
  tell("rename", rename(argv[0], argv[1]));
}
static void run_link(char** argv) {
  tell("link", link(argv[0], argv[1]));
}
static void run_symlink(char** argv) {
  tell("symlink", symlink(argv[0], argv[1]));
}
static void run_truncate(char** argv) {
  tell("truncate", truncate(argv[0], number(argv[1])));
}
static void run_chmod(char** argv) {
  tell("chmod", chmod(argv[0], (mode_t)number(argv[1])));
}
static void run_chown(char** argv) {
  tell("chown", chown(argv[0], (uid_t)number(argv[1]), (gid_t)number(argv[2])));
}
static void run_mkfifo(char** argv) {
  tell("mkfifo", mkfifo(argv[0], (mode_t)number(argv[1])));
}

static void run_utimens(char** argv) {
  const struct timespec times[2] = {{number(argv[1]), number(argv[2])}, {number(argv[1]), number(argv[2])}};
  tell("utimensat", utimensat(AT_FDCWD, argv[0], times, 0));
}

static void run_readlink(char** argv) {
  char content[4096];
  const ssize_t count = readlink(argv[0], content, sizeof(content));
  tell("readlink", count < 0 ? -1 : 0);
  if (count >= 0) tell_bytes("content", content, (size_t)count);
}

static void run_read(char** argv) {
  char content[4096];
  const int fd = open(argv[0], O_RDONLY);
  const ssize_t count = fd < 0 ? -1 : read(fd, content, sizeof(content));
  tell("read", count);
  if (count > 0) tell_bytes("content", content, (size_t)count);
}

static void run_write(char** argv) {
  const int fd = open(argv[0], O_WRONLY | O_CREAT | O_APPEND, 0644);
  tell("write", fd < 0 ? -1 : write(fd, argv[1], strlen(argv[1])));
}

/// Where a relative name leads after chdir(); getcwd() itself differs by the prefix.
static void run_chdir(char** argv) {
  struct stat status;
  char name[4096];
  tell("chdir", chdir(argv[0]));
  const char* const path = getcwd(name, sizeof(name));
  tell_status("getcwd", path != NULL, path == NULL);
  const char* const last = path == NULL ? NULL : strrchr(path, '/');
  tell_text("last part", last);
  tell("stat .", stat(".", &status));
  tell("stat relative", stat(argv[1], &status));
}

static void run_statvfs(char** argv) {
  struct statvfs status;
  struct statfs kernel;
  const int result = statvfs(argv[0], &status);
  tell("statvfs", result);
  tell("statfs", statfs(argv[0], &kernel));
  if (result != 0) return;
  tell("block size", (long)status.f_bsize);
  tell("fragment size", (long)status.f_frsize);
  tell("name max", (long)status.f_namemax);
  tell("same", status.f_blocks == kernel.f_blocks && kernel.f_namelen == (long)status.f_namemax);
}

static void run_pathconf(char** argv) {
  const int names[] = {_PC_NAME_MAX, _PC_PATH_MAX, _PC_LINK_MAX, _PC_PIPE_BUF, _PC_NO_TRUNC, _PC_2_SYMLINKS, 9999};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i) {
    errno = 0;
    const long limit = pathconf(argv[0], names[i]);
    tell_status("pathconf", limit, errno != 0);
  }
}

const struct command call_commands[] = {
    {"open", "PATH FLAGS", 2, run_open},
    {"stat", "PATH", 1, run_stat},
    {"lstat", "PATH", 1, run_lstat},
    {"access", "PATH MODE", 2, run_access},
    {"mkdir", "PATH MODE", 2, run_mkdir},
    {"rmdir", "PATH", 1, run_rmdir},
    {"unlink", "PATH", 1, run_unlink},
    {"remove", "PATH", 1, run_remove},
    {"rename", "PATH PATH", 2, run_rename},
    {"link", "PATH PATH", 2, run_link},
    {"symlink", "CONTENT PATH", 2, run_symlink},
    {"readlink", "PATH", 1, run_readlink},
    {"truncate", "PATH LENGTH", 2, run_truncate},
    {"chmod", "PATH MODE", 2, run_chmod},
    {"chown", "PATH USER GROUP", 3, run_chown},
    {"mkfifo", "PATH MODE", 2, run_mkfifo},
    {"utimens", "PATH SECONDS NANOSECONDS", 3, run_utimens},
    {"read", "PATH", 1, run_read},
    {"write", "PATH TEXT", 2, run_write},
    {"chdir", "PATH RELATIVE-PATH", 2, run_chdir},
    {"statvfs", "PATH", 1, run_statvfs},
    {"pathconf", "PATH", 1, run_pathconf},
    {NULL, NULL, 0, NULL},
};
