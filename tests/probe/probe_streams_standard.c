// SPDX-License-Identifier: Apache-2.0
//
// probe_streams_standard.c: do stdin, stdout, stderr and freopen() follow their descriptors?
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/probe/probe.h"

/// The idiom of shells: redirect, print, put back.
static void run_redirect(char** argv) {
  const char* const path = in(argv[0], "redirected");
  const char* const other = in(argv[0], "redirected2");
  const int saved = dup(1);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  fflush(stdout);
  tell("dup2", dup2(fd, 1));
  close(fd);
  printf("printed %d\n", 1);
  puts("put");
  putchar('c');
  tell("fileno", fileno(stdout));
  fflush(stdout);
  fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  dup2(fd, 1);
  close(fd);
  printf("second file\n");
  fflush(stdout);
  const int null = open("/dev/null", O_WRONLY);
  dup2(null, 1);
  close(null);
  printf("nowhere\n");
  fflush(stdout);
  tell("dup2 back", dup2(saved, 1));
  close(saved);
  tell_text("first", content_of(path));
  tell_text("second", content_of(other));
}

/// What is buffered at the time of dup2() goes to the new file.
static void run_pending(char** argv) {
  const char* const path = in(argv[0], "pending");
  const int saved = dup(1);
  const int null = open("/dev/null", O_WRONLY);
  dup2(null, 1);
  setvbuf(stdout, NULL, _IOFBF, 8192);
  printf("before ");
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  dup2(fd, 1);
  printf("after\n");
  fflush(stdout);
  dup2(saved, 1);
  tell_text("content", content_of(path));
}

static void run_input(char** argv) {
  const char* const path = in(argv[0], "input");
  make_file(path, "17 words\nsecond line\n");
  int number = 0;
  char word[32], line[64];
  const int fd = open(path, O_RDONLY);
  tell("dup2", dup2(fd, 0));
  tell("scanf", scanf("%d %31s", &number, word));
  tell("number", number);
  tell_text("word", word);
  tell("getchar", getchar());
  tell_text("fgets", fgets(line, sizeof(line), stdin));
  tell_status("at the end", getchar(), 0);
  clearerr(stdin);
  tell("fseek", fseek(stdin, 0, SEEK_SET));
  tell_text("again", fgets(line, sizeof(line), stdin));
}

/// A child's standard streams are the file from its start; its output is flushed by exit().
static void run_inherited(char** argv) {
  const char* const from = in(argv[0], "in");
  const char* const to = in(argv[0], "out");
  make_file(from, "3\n1\n2\n");
  const int child = fork();
  if (child == 0) {
    const int in_fd = open(from, O_RDONLY);
    const int out_fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(in_fd, 0);
    dup2(out_fd, 1);
    execlp("sort", "sort", (char*)NULL);
    _exit(9);
  }
  tell_child("sort", child);
  tell_text("sorted", content_of(to));
}

static void tell_line(const char* step, FILE* stream) {
  char line[64] = "";
  tell_text(step, fgets(line, sizeof(line), stream));
}

static void run_freopen(char** argv) {
  const char* const a = in(argv[0], "freopen-a");
  const char* const b = in(argv[0], "freopen-b");
  make_file(a, "from a\n");
  make_file(b, "from b\n");
  FILE* stream = fopen("/etc/hostname", "r");
  const int number = fileno(stream);
  fgetc(stream);
  FILE* again = freopen(a, "r", stream);
  tell("local to file, same stream", again == stream);
  tell("same number", fileno(again) == number);
  tell_line("reads", again);
  again = freopen(b, "r+", again);
  tell("file to file, same stream", again == stream);
  tell("same number", fileno(again) == number);
  tell_line("reads", again);
  tell("fseek", fseek(again, 0, SEEK_SET));
  tell("fputs", fputs("FROM", again) >= 0);
  again = freopen("/dev/null", "w", again);
  tell("file to local, same stream", again == stream);
  tell("fputs", fputs("lost", again) >= 0);
  tell("fclose", fclose(again));
  tell_text("b", content_of(b));
  stream = fopen(a, "r");
  errno = 0;
  again = freopen(in(argv[0], "none"), "r", stream);
  tell_status("freopen missing", again != NULL, again == NULL);
  stream = fopen(a, "w+");
  fputs("rewritten\n", stream);
  again = freopen(NULL, "r", stream);
  tell_status("freopen same file", again == stream, again == NULL);
  if (again != NULL) {
    tell_line("reads", again);
    fclose(again);
  }
}

static void run_freopen_standard(char** argv) {
  const char* const out = in(argv[0], "freopen-out");
  const char* const from = in(argv[0], "freopen-in");
  make_file(from, "typed\n");
  tell("freopen stdout", freopen(out, "w", stdout) != NULL);
  printf("printed\n");
  tell("fileno", fileno(stdout));
  tell("freopen stdin", freopen(from, "r", stdin) != NULL);
  tell_line("stdin", stdin);
  tell("freopen stderr", freopen(in(argv[0], "freopen-err"), "w", stderr) != NULL);
  errno = ENOENT;
  perror("told");
  tell_text("stderr at once", content_of(in(argv[0], "freopen-err")));
  tell("freopen stdout again", freopen(out, "a", stdout) != NULL);
  printf("appended\n");
  tell("fclose", fclose(stdout));
  tell_text("stdout", content_of(out));
  tell("printf after fclose", printf("x") < 0 || fflush(stdout) != 0);
}

/// What only exit() writes.
static void run_exit(char** argv) {
  const char* const path = in(argv[0], "at-exit");
  const int child = fork();
  if (child == 0) {
    FILE* const stream = fopen(path, "w");
    fputs("flushed by exit\n", stream);
    exit(0);
  }
  tell_child("child", child);
  tell_text("content", content_of(path));
}

const struct command standard_commands[] = {
    {"redirect", "DIRECTORY", 1, run_redirect}, {"pending", "DIRECTORY", 1, run_pending},
    {"input", "DIRECTORY", 1, run_input},       {"inherited", "DIRECTORY", 1, run_inherited},
    {"freopen", "DIRECTORY", 1, run_freopen},   {"freopen-std", "DIRECTORY", 1, run_freopen_standard},
    {"exit-flush", "DIRECTORY", 1, run_exit},   {NULL, NULL, 0, NULL},
};
