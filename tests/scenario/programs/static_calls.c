// SPDX-License-Identifier: Apache-2.0
//
// static_calls.c: what do the system calls of a program without libc's dynamic loader answer on an inherited
// descriptor? Linked statically, so that no library can be put in between. Says each result in one line.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char* what, long result) {
  if (result >= 0) printf("%s %ld\n", what, result);
  else printf("%s %s\n", what, strerrorname_np(errno));
  fflush(stdout);
}

static void say_text(const char* what, const char* text, long length) {
  if (length < 0) printf("%s %s\n", what, strerrorname_np(errno));
  else printf("%s \"%.*s\"\n", what, (int)length, text);
  fflush(stdout);
}

static void read_and_seek(int fd) {
  char text[64];
  say_text("read", text, read(fd, text, 3));
  say_text("pread", text, pread(fd, text, 4, 8));
  say("tell", lseek(fd, 0, SEEK_CUR));
  say("seek", lseek(fd, 6, SEEK_SET));
  say_text("read", text, read(fd, text, 5));
  say("end", lseek(fd, -3, SEEK_END));
  say_text("read", text, read(fd, text, sizeof text));
  say_text("at the end", text, read(fd, text, sizeof text));
  say("back", lseek(fd, -4, SEEK_CUR));
}

static void write_and_change(int fd) {
  struct stat status;
  say("write", write(fd, "WRITE", 5));
  say("pwrite", pwrite(fd, "pw", 2, 20));
  say("tell", lseek(fd, 0, SEEK_CUR));
  say("fstat", fstat(fd, &status));
  say("size", status.st_size);
  say("regular", S_ISREG(status.st_mode));
  say("truncate", ftruncate(fd, 21));
  say("chmod", fchmod(fd, 0604));
  say("times", futimens(fd, (struct timespec[2]){{1000000000, 5}, {1100000000, 7}}));
  say("fstat", fstat(fd, &status));
  printf("%ld %o %ld.%ld\n", (long)status.st_size, status.st_mode, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  say("fsync", fsync(fd));
  say("fallocate", posix_fallocate(fd, 0, 30));
  say("flags", fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND));
}

static void map_privately(int fd) {
  char* at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  if (at == MAP_FAILED) say("map", -1);
  else say_text("map", at, 5);
}

static void send(int fd) {
  off_t from = 2;
  say("sendfile", sendfile(STDOUT_FILENO, fd, &from, 6));
  printf("\n");
  say("sendfile", sendfile(STDOUT_FILENO, fd, NULL, 3));
  printf("\n");
  say("tell", lseek(fd, 0, SEEK_CUR));
}

/// Takes the locks, says so, and keeps them until its input ends.
static void lock(int fd, int wait) {
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
  char byte;
  say("setlk", fcntl(fd, wait ? F_SETLKW : F_SETLK, &range));
  say("flock", flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)));
  if (read(STDIN_FILENO, &byte, 1) < 0) say("wait", -1);
}

int main(int count, char** words) {
  const int fd = count > 2 ? atoi(words[2]) : 0;
  if (count < 2) return 2;
  if (strcmp(words[1], "read") == 0) read_and_seek(fd);
  if (strcmp(words[1], "write") == 0) write_and_change(fd);
  if (strcmp(words[1], "map") == 0) map_privately(fd);
  if (strcmp(words[1], "send") == 0) send(fd);
  if (strcmp(words[1], "lock") == 0) lock(fd, 0);
  if (strcmp(words[1], "forever") == 0) {
    // Reads one block again and again until something is wrong, and says what.
    static char block[65536];
    long result = 1;
    say("begin", 0);
    while (result > 0) result = pread(fd, block, sizeof block, 0);
    say("ended", result);
  }
  return 0;
}
