// SPDX-License-Identifier: Apache-2.0
//
// probe_processes.c: do processes share what they should share? (offsets, flags, descriptors sent over a socket)
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/probe/probe.h"

static void tell_next(const char* step, int fd, size_t count) {
  char bytes[64];
  const ssize_t got = read(fd, bytes, count);
  if (got < 0) tell(step, got);
  else tell_bytes(step, bytes, (size_t)got);
}

static void run_sharing(char** argv) {
  const char* const path = in(argv[0], "shared");
  make_file(path, "abcdefghijklmnopqrstuvwxyz");
  const int fd = open(path, O_RDWR);
  const int copy = dup(fd);
  const int own = open(path, O_RDONLY);
  tell_next("first", fd, 3);
  tell_next("by the copy", copy, 3);
  tell_next("own offset", own, 3);
  const int child = fork();
  if (child == 0) {
    tell_next("child", fd, 3);
    tell("child seeks", lseek(copy, 20, SEEK_SET));
    _exit(0);
  }
  tell_child("child", child);
  tell_next("after the child", fd, 3);
  tell("F_SETFL", fcntl(copy, F_SETFL, O_APPEND));
  tell("flags shared", (fcntl(fd, F_GETFL) & O_APPEND) != 0);
  tell("flags of the other", (fcntl(own, F_GETFL) & O_APPEND) != 0);
  const int vchild = vfork();
  if (vchild == 0) {
    dup2(own, 0);
    execlp("head", "head", "-c", "2", (char*)NULL);
    _exit(9);
  }
  int status = 0;
  tell("vfork", waitpid(vchild, &status, 0) == vchild && status == 0);
  const int working_child = vfork();
  if (working_child == 0) {
    char bytes[4];
    const int fresh = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    const int done = fresh >= 0 && write(fresh, "vfork", 5) == 5 && read(own, bytes, 2) == 2 && close(fresh) == 0;
    _exit(done ? 6 : 7);
  }
  tell_child("vfork without exec", working_child);
  tell("close", close(copy));
  tell_next("still open", own, 2);
  tell("F_DUPFD", fcntl(own, F_DUPFD, 50) >= 50);
  tell("F_DUPFD_CLOEXEC", fcntl(fcntl(own, F_DUPFD_CLOEXEC, 60), F_GETFD));
  tell("dup3", dup3(own, 70, O_CLOEXEC));
  tell_next("by dup3", 70, 2);
  tell("dup2 same", dup2(70, 70));
  tell("dup2 closed", dup2(99, 71));
  tell("close", close(70));
  tell("read closed", read(70, &status, 1));
}

static void* read_some(void* argument) {
  const int fd = *(const int*)argument;
  long sum = 0;
  for (int i = 0; i < 200; ++i) {
    char bytes[10];
    if (pread(fd, bytes, sizeof(bytes), i * 10) != 10) break;
    sum += memcmp(bytes, "0123456789", 10) == 0;
  }
  return (void*)sum;
}

static void run_threads(char** argv) {
  const char* const path = in(argv[0], "threads");
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  for (int i = 0; i < 200; ++i) {
    if (write(fd, "0123456789", 10) != 10) tell("write", -1);
  }
  pthread_t threads[8];
  for (int i = 0; i < 8; ++i) pthread_create(&threads[i], NULL, read_some, (void*)&fd);
  long sum = 0;
  for (int i = 0; i < 8; ++i) {
    void* part = NULL;
    pthread_join(threads[i], &part);
    sum += (long)part;
  }
  tell("right blocks", sum);
}

/// Many processes append; no line is torn or lost.
static void run_appenders(char** argv) {
  const char* const path = in(argv[0], "appended");
  make_file(path, "");
  int children[4];
  for (int c = 0; c < 4; ++c) {
    children[c] = fork();
    if (children[c] != 0) continue;
    const int fd = open(path, O_WRONLY | O_APPEND);
    char line[32];
    memset(line, 'a' + c, sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 50; ++i) {
      if (write(fd, line, sizeof(line)) != (ssize_t)sizeof(line)) _exit(1);
    }
    _exit(0);
  }
  for (int c = 0; c < 4; ++c) tell_child("child", children[c]);
  FILE* const stream = fopen(path, "r");
  char line[64];
  int whole = 0;
  while (fgets(line, sizeof(line), stream) != NULL) {
    whole += strlen(line) == 32 && strspn(line, (char[]){line[0], '\0'}) == 31;
  }
  tell("whole lines", whole);
}

static void send_descriptor(int over, int fd) {
  char letter = 'd';
  struct iovec piece = {&letter, 1};
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct msghdr message = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  struct cmsghdr* const part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(part), &fd, sizeof(int));
  if (sendmsg(over, &message, 0) != 1) tell("sendmsg", -1);
}
static int receive_descriptor(int over) {
  char letter = 0;
  struct iovec piece = {&letter, 1};
  char control[CMSG_SPACE(sizeof(int))];
  struct msghdr message = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  int fd = -1;
  if (recvmsg(over, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  const struct cmsghdr* const part = CMSG_FIRSTHDR(&message);
  if (part != NULL) memcpy(&fd, CMSG_DATA(part), sizeof(int));
  return fd;
}

static void run_passing(char** argv) {
  const char* const path = in(argv[0], "passed");
  make_file(path, "abcdefghij");
  int ends[2];
  tell("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  const int child = fork();
  if (child == 0) {
    close(ends[0]);
    const int fd = receive_descriptor(ends[1]);
    tell("received", fd >= 0);
    tell("close-on-exec", fcntl(fd, F_GETFD));
    tell_next("child reads", fd, 4);
    tell("child writes", write(fd, "XY", 2));
    _exit(0);
  }
  close(ends[1]);
  const int fd = open(path, O_RDWR);
  tell_next("before", fd, 2);
  send_descriptor(ends[0], fd);
  tell_child("child", child);
  tell_next("after", fd, 10);
  close(fd);
  tell_text("content", content_of(path));
}

/// A program with an empty environment inherits the descriptor.
static void run_exec(char** argv) {
  const char* const path = in(argv[0], "executed");
  make_file(path, "0123456789");
  const int fd = open(path, O_RDWR);
  tell("seek", lseek(fd, 4, SEEK_SET));
  int ends[2];
  if (pipe(ends) != 0) exit(3);
  const int child = fork();
  if (child == 0) {
    dup2(fd, 0);
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    char* const arguments[] = {(char*)"cat", NULL};
    char* const environment[] = {NULL};
    execve("/bin/cat", arguments, environment);
    _exit(9);
  }
  close(ends[1]);
  char bytes[64];
  ssize_t got = 0, count;
  while ((count = read(ends[0], bytes + got, sizeof(bytes) - (size_t)got)) > 0) got += count;
  tell_bytes("cat", bytes, (size_t)got);
  tell_child("child", child);
  tell("offset", lseek(fd, 0, SEEK_CUR));
}

const struct command process_commands[] = {
    {"sharing", "DIRECTORY", 1, run_sharing},     {"threads", "DIRECTORY", 1, run_threads},
    {"appenders", "DIRECTORY", 1, run_appenders}, {"passing", "DIRECTORY", 1, run_passing},
    {"exec", "DIRECTORY", 1, run_exec},           {NULL, NULL, 0, NULL},
};
