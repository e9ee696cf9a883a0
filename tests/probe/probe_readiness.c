// SPDX-License-Identifier: Apache-2.0
//
// probe_readiness.c: what do poll(), select() and epoll say about files, directories and FIFOs?
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/probe/probe.h"

static void run_poll(char** argv) {
  const char* const path = in(argv[0], "polled");
  make_file(path, "content");
  int ends[2];
  if (pipe(ends) != 0) exit(3);
  struct pollfd fds[] = {{open(path, O_RDWR), POLLIN | POLLOUT, 0},
                         {open(path, O_RDONLY), POLLIN | POLLPRI | POLLRDNORM, 0},
                         {open(argv[0], O_RDONLY | O_DIRECTORY), POLLIN, 0},
                         {ends[0], POLLIN, 0},
                         {-1, POLLIN, 77},
                         {open(path, O_PATH), POLLIN, 0},
                         {open(path, O_RDONLY), 0, 0},
                         {200, POLLIN, 0}};
  tell("poll", poll(fds, 8, 5000));
  for (int i = 0; i < 8; ++i) tell("revents", fds[i].revents);
  tell("write", write(ends[1], "x", 1));
  tell("poll", poll(fds, 4, 0));
  tell("pipe", fds[3].revents);
  const struct timespec wait = {5, 0};
  tell("ppoll", ppoll(fds + 6, 1, &(struct timespec){0, 1000000}, NULL));
  tell("ppoll ready", ppoll(fds, 1, &wait, NULL));
}

static void run_select(char** argv) {
  const char* const path = in(argv[0], "selected");
  make_file(path, "content");
  int ends[2];
  if (pipe(ends) != 0) exit(3);
  const int fd = open(path, O_RDWR);
  fd_set readable, writable, other;
  FD_ZERO(&readable);
  FD_ZERO(&writable);
  FD_ZERO(&other);
  FD_SET(fd, &readable);
  FD_SET(fd, &writable);
  FD_SET(fd, &other);
  FD_SET(ends[0], &readable);
  FD_SET(ends[1], &writable);
  struct timeval timeout = {5, 0};
  const int top = (fd > ends[1] ? fd : ends[1]) + 1;
  tell("select", select(top, &readable, &writable, &other, &timeout));
  tell("file readable", FD_ISSET(fd, &readable) != 0);
  tell("file writable", FD_ISSET(fd, &writable) != 0);
  tell("file exceptional", FD_ISSET(fd, &other) != 0);
  tell("pipe readable", FD_ISSET(ends[0], &readable) != 0);
  tell("pipe writable", FD_ISSET(ends[1], &writable) != 0);
  tell("time left", timeout.tv_sec >= 4);
  FD_ZERO(&other);
  FD_SET(fd, &other);
  timeout = (struct timeval){0, 20000};
  tell("select nothing", select(fd + 1, NULL, NULL, &other, &timeout));
  tell("no time left", timeout.tv_sec == 0 && timeout.tv_usec == 0);
  FD_ZERO(&readable);
  FD_SET(fd, &readable);
  FD_SET(90, &readable);
  tell("select closed", select(91, &readable, NULL, NULL, NULL));
  FD_CLR(90, &readable);
  tell("pselect", pselect(fd + 1, &readable, NULL, NULL, NULL, NULL));
}

static void run_epoll(char** argv) {
  const char* const path = in(argv[0], "epolled");
  make_file(path, "content");
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  const int fd = open(path, O_RDWR);
  const int directory = open(argv[0], O_RDONLY | O_DIRECTORY);
  tell("add file", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
  tell("mod file", epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
  tell("del file", epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL));
  tell("add directory", epoll_ctl(epoll, EPOLL_CTL_ADD, directory, &event));
  tell("add closed", epoll_ctl(epoll, EPOLL_CTL_ADD, 300, &event));
}

static void on_alarm(int number) {
  (void)number;
}

/// A FIFO between two processes: readiness, blocking, end of file, a signal that ends a wait.
static void run_fifo(char** argv) {
  const char* const path = in(argv[0], "fifo-probe");
  unlink(path);
  tell("mkfifo", mkfifo(path, 0644));
  const int fd = open(path, O_RDONLY | O_NONBLOCK);
  tell_status("open", fd >= 0, fd < 0);
  char bytes[16];
  tell("read without writer", read(fd, bytes, sizeof(bytes)));
  tell("lseek", lseek(fd, 0, SEEK_CUR));
  struct pollfd entry = {fd, POLLIN, 0};
  const int writer = open(path, O_WRONLY);
  tell_status("open writer", writer >= 0, writer < 0);
  tell("read empty", read(fd, bytes, sizeof(bytes)));
  tell("poll empty", poll(&entry, 1, 20));
  struct pollfd out = {writer, POLLOUT, 0};
  tell("poll writer", poll(&out, 1, 1000));
  const int child = fork();
  if (child == 0) _exit(write(writer, "hello", 5) == 5 ? 0 : 1);
  tell("poll", poll(&entry, 1, 5000));
  tell("revents", entry.revents & POLLIN);
  tell_child("child", child);
  const ssize_t got = read(fd, bytes, sizeof(bytes));
  tell("read", got);
  if (got > 0) tell_bytes("bytes", bytes, (size_t)got);

  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval soon = {{0, 0}, {0, 50000}};
  setitimer(ITIMER_REAL, &soon, NULL);
  tell("poll interrupted", poll(&entry, 1, 10000));
  tell("blocking", fcntl(fd, F_SETFL, 0));
  action.sa_flags = 0;
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &soon, NULL);
  tell("read interrupted", read(fd, bytes, sizeof(bytes)));
  close(writer);
  tell("read at the end", read(fd, bytes, sizeof(bytes)));
  tell("unlink", unlink(path));
}

const struct command readiness_commands[] = {
    {"poll", "DIRECTORY", 1, run_poll},
    {"select", "DIRECTORY", 1, run_select},
    {"epoll", "DIRECTORY", 1, run_epoll},
    {"fifo", "DIRECTORY", 1, run_fifo},
    {NULL, NULL, 0, NULL},
};
