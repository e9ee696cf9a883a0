// SPDX-License-Identifier: Apache-2.0
//
// probe_streams.c: does stdio behave on a file of the given directory?
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "tests/probe/probe.h"

static void tell_line(const char* step, FILE* stream) {
  char line[256];
  tell_text(step, fgets(line, sizeof(line), stream));
}

static void run_stdio(char** argv) {
  const char* const path = in(argv[0], "stdio");
  FILE* stream = fopen(path, "w+");
  tell_status("fopen w+", stream != NULL, stream == NULL);
  tell("fileno", fileno(stream) > 2);
  tell("isatty", isatty(fileno(stream)));
  tell("fprintf", fprintf(stream, "line %d\nline %s\n", 1, "two"));
  tell("ftell", ftell(stream));
  rewind(stream);
  tell_line("first", stream);
  tell("ungetc", ungetc('X', stream));
  tell("ftello", ftello(stream));
  tell_line("pushed back", stream);
  tell("fgetc at end", fgetc(stream));
  tell("feof", feof(stream) != 0);
  tell("fseek back", fseek(stream, -4, SEEK_END));
  tell_line("last four", stream);
  tell("fseek gap", fseeko(stream, 10, SEEK_CUR));
  tell("fputs", fputs("end", stream) >= 0);
  tell("fflush", fflush(stream));
  tell("fsync", fsync(fileno(stream)));
  struct stat status;
  tell("fstat", fstat(fileno(stream), &status));
  tell("size", (long)status.st_size);
  tell("fseek absolute", fseek(stream, 5, SEEK_SET));
  tell("fputc in place", fputc('#', stream));
  tell("fseek between", fseek(stream, 0, SEEK_SET));
  tell_line("overwritten", stream);
  tell("fclose", fclose(stream));
  const char* const content = content_of(path);
  tell_text("content", content);

  FILE* const excluded = fopen(path, "wx");
  tell_status("fopen wx", excluded != NULL, excluded == NULL);
  errno = 0;
  tell_status("fopen bad mode", fopen(path, "z") != NULL, 1);
  tell_status("fopen missing", fopen(in(argv[0], "none"), "r") != NULL, 1);
  tell_status("fopen directory w", fopen(argv[0], "w") != NULL, 1);
  stream = fopen(argv[0], "r");
  tell_status("fopen directory r", stream != NULL, stream == NULL);
  tell("read directory", fgetc(stream));
  tell_status("ferror", ferror(stream) != 0, 1);
  fclose(stream);
  stream = fopen(path, "re");
  tell("close-on-exec", fcntl(fileno(stream), F_GETFD));
  tell("write to r", fputc('x', stream));
  fclose(stream);
}

static void run_append(char** argv) {
  const char* const path = in(argv[0], "append");
  make_file(path, "0123456789\n");
  FILE* stream = fopen(path, "a");
  tell("ftell at start", ftell(stream));
  fputs("one\n", stream);
  tell("ftell", ftell(stream));
  tell("fseek", fseek(stream, 0, SEEK_SET));
  fputs("two\n", stream);
  fclose(stream);
  tell_text("content", content_of(path));
  stream = fopen(path, "a+");
  tell("ftell a+", ftell(stream));
  tell_line("reads from", stream);
  tell("fseek a+", fseek(stream, 0, SEEK_CUR));
  fputs("three\n", stream);
  tell("fclose", fclose(stream));
  tell_text("content", content_of(path));
}

static void run_buffering(char** argv) {
  const char* const path = in(argv[0], "buffering");
  FILE* stream = fopen(path, "w");
  fputs("held", stream);
  tell_text("full: not yet", content_of(path));
  fclose(stream);
  stream = fopen(path, "w");
  tell("setvbuf line", setvbuf(stream, NULL, _IOLBF, 0));
  fputs("line\npart", stream);
  tell_text("line: up to the newline", content_of(path));
  fclose(stream);
  stream = fopen(path, "w");
  tell("setvbuf none", setvbuf(stream, NULL, _IONBF, 0));
  fprintf(stream, "now %d", 7);
  tell_text("none: at once", content_of(path));
  fclose(stream);
  stream = fopen(path, "w");
  char own[16];
  tell("setvbuf own", setvbuf(stream, own, _IOFBF, sizeof(own)));
  for (int i = 0; i < 10; ++i) fprintf(stream, "%06d\n", i);
  tell("fclose", fclose(stream));
  tell_text("own buffer", content_of(path));
  stream = fopen(path, "r");
  size_t room = 0;
  char* line = NULL;
  long sum = 0;
  while (getline(&line, &room, stream) > 0) sum += atol(line);
  tell("getline sum", sum);
  free(line);
  fclose(stream);
  errno = 0;
  tell("errno untouched", errno);
}

static void run_big(char** argv) {
  const char* const path = in(argv[0], "big");
  FILE* stream = fopen(path, "w");
  for (int i = 0; i < 200000; ++i) fprintf(stream, "%07d\n", i);
  tell("fclose", fclose(stream));
  stream = fopen(path, "r");
  char block[100000];
  tell("fread", (long)fread(block, 1, sizeof(block), stream));
  tell("ftell", ftell(stream));
  unsigned place = 12345;
  long sum = 0;
  for (int i = 0; i < 500; ++i) {
    place = place * 1103515245u + 12345u;
    if (fseek(stream, (long)(place % 200000) * 8, SEEK_SET) != 0) break;
    char line[16];
    if (fgets(line, sizeof(line), stream) == NULL) break;
    sum += atol(line) == (long)(place % 200000);
  }
  tell("random reads", sum);
  fclose(stream);
  tell("unlink", unlink(path));
}

static void run_wide(char** argv) {
  const char* const path = in(argv[0], "wide");
  tell("setlocale", setlocale(LC_ALL, "C.UTF-8") != NULL);
  FILE* stream = fopen(path, "w");
  tell("fwide", fwide(stream, 1) > 0);
  tell("fputwc", fputwc(0xe4, stream) == 0xe4);
  tell("fputws", fputws(L"b\u20ac\n", stream) >= 0);
  tell("fwprintf", fwprintf(stream, L"%d %ls\n", 42, L"\u00fc"));
  tell("fclose", fclose(stream));
  tell_text("content", content_of(path));
  stream = fopen(path, "r");
  wchar_t line[32];
  tell("fgetwc", (long)fgetwc(stream));
  tell("ungetwc", (long)ungetwc(0xe4, stream));
  tell("fgetwc again", (long)getwc(stream));
  tell("fgetws", fgetws(line, 32, stream) == line);
  tell("letter", (long)line[1]);
  tell("fgetws next", fgetws(line, 4, stream) == line);
  tell("length", (long)wcslen(line));
  while (fgetwc(stream) != WEOF) {
  }
  tell("feof", feof(stream) != 0);
  fclose(stream);
  make_file(path, "ok\xff\n");
  stream = fopen(path, "r");
  fgetwc(stream);
  fgetwc(stream);
  const wint_t broken = fgetwc(stream);
  tell_status("broken letter", broken == WEOF, 1);
  tell("ferror", ferror(stream) != 0);
  fclose(stream);
}

static void run_fdopen(char** argv) {
  const char* const path = in(argv[0], "fdopen");
  make_file(path, "abcdef\n");
  int fd = open(path, O_RDONLY);
  tell_status("fdopen w on r", fdopen(fd, "w") != NULL, 1);
  tell_status("fdopen bad mode", fdopen(fd, "q") != NULL, 1);
  tell("lseek", lseek(fd, 2, SEEK_SET));
  FILE* stream = fdopen(fd, "r");
  tell("same number", fileno(stream) == fd);
  tell_line("from the offset", stream);
  tell("fclose", fclose(stream));
  tell("closed", fcntl(fd, F_GETFD));
  fd = open(path, O_RDWR);
  stream = fdopen(fd, "a");
  fputs("more\n", stream);
  tell("appends", (fcntl(fd, F_GETFL) & O_APPEND) != 0);
  fclose(stream);
  tell_text("content", content_of(path));
  fd = open(path, O_WRONLY | O_TRUNC);
  tell("dprintf", dprintf(fd, "%s-%d", "text", 5));
  close(fd);
  tell_text("content", content_of(path));
}

/// A second stream on what the first one leaves: fclose() gives back what was read ahead.
static void run_readahead(char** argv) {
  const char* const path = in(argv[0], "ahead");
  make_file(path, "one\ntwo\nthree\n");
  const int fd = open(path, O_RDONLY);
  FILE* const stream = fdopen(dup(fd), "r");
  tell_line("first", stream);
  tell("fflush", fflush(stream));
  tell("offset", lseek(fd, 0, SEEK_CUR));
  tell_line("second", stream);
  tell("fclose", fclose(stream));
  tell("offset", lseek(fd, 0, SEEK_CUR));
}

const struct command stream_commands[] = {
    {"stdio", "DIRECTORY", 1, run_stdio},
    {"append", "DIRECTORY", 1, run_append},
    {"buffering", "DIRECTORY", 1, run_buffering},
    {"big-stream", "DIRECTORY", 1, run_big},
    {"wide", "DIRECTORY", 1, run_wide},
    {"fdopen", "DIRECTORY", 1, run_fdopen},
    {"read-ahead", "DIRECTORY", 1, run_readahead},
    {NULL, NULL, 0, NULL},
};
