// SPDX-License-Identifier: Apache-2.0
//
// probe_main.c: which probe is meant, and how are its lines written?
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/probe/probe.h"

static int report_fd = 1;

static void put_line(const char* line, size_t length) {
  if (write(report_fd, line, length) != (ssize_t)length) _exit(3);
}

static const char* error_name(int error) {
  const char* const name = strerrorname_np(error);
  return name != NULL ? name : "?";
}

void tell_status(const char* step, long result, int is_failed) {
  char line[512];
  const int length = snprintf(line, sizeof(line), "{\"step\":\"%s\",\"result\":%ld,\"error\":\"%s\"}\n", step, result,
                              is_failed ? error_name(errno) : "");
  put_line(line, (size_t)length);
}

void tell(const char* step, long result) {
  tell_status(step, result, result < 0);
}

void tell_number(const char* step, int error) {
  errno = error;
  tell_status(step, error != 0, error != 0);
}

void tell_bytes(const char* step, const void* bytes, size_t count) {
  const unsigned char* const text = bytes;
  char* const line = malloc(count * 6 + 512);
  if (line == NULL) exit(3);
  int length = sprintf(line, "{\"step\":\"%.200s\",\"text\":\"", step);
  for (size_t i = 0; i < count; ++i) {
    const int is_plain = text[i] >= ' ' && text[i] < 0x7f && text[i] != '"' && text[i] != '\\';
    length += is_plain ? sprintf(line + length, "%c", text[i]) : sprintf(line + length, "\\u%04x", text[i]);
  }
  length += sprintf(line + length, "\"}\n");
  put_line(line, (size_t)length);
  free(line);
}

void tell_text(const char* step, const char* text) {
  if (text == NULL) text = "(null)";
  tell_bytes(step, text, strlen(text));
}

const char* in(const char* directory, const char* name) {
  char* path = NULL;
  if (asprintf(&path, "%s/%s", directory, name) < 0) exit(3);
  return path;
}

void make_file(const char* path, const char* content) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content) || close(fd) != 0) {
    perror(path);
    exit(3);
  }
}

const char* content_of(const char* path) {
  static char content[4097];
  const int fd = open(path, O_RDONLY);
  const ssize_t count = fd < 0 ? -1 : read(fd, content, sizeof(content) - 1);
  if (fd >= 0) close(fd);
  if (count < 0) return "(cannot be read)";
  content[count] = '\0';
  return content;
}

void tell_child(const char* step, int child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) tell(step, -1);
  else tell(step, WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status));
}

static const struct command* const kTables[] = {call_commands,    directory_commands, file_commands,
                                                process_commands, readiness_commands, standard_commands,
                                                stream_commands,  walk_commands};

static int usage(void) {
  fprintf(stderr, "usage: qnet_probe --list | PROBE ARGUMENTS\n");
  for (size_t t = 0; t < sizeof(kTables) / sizeof(kTables[0]); ++t) {
    for (const struct command* command = kTables[t]; command->name != NULL; ++command) {
      fprintf(stderr, "  %-14s %s\n", command->name, command->arguments);
    }
  }
  return 2;
}

/// The probes that take a scratch directory and say the same wherever it is.
static int list(void) {
  for (size_t t = 0; t < sizeof(kTables) / sizeof(kTables[0]); ++t) {
    for (const struct command* command = kTables[t]; command->name != NULL; ++command) {
      if (strcmp(command->arguments, "DIRECTORY") == 0) puts(command->name);
    }
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 2) return usage();
  if (strcmp(argv[1], "--list") == 0) return list();
  report_fd = fcntl(1, F_DUPFD_CLOEXEC, 100);
  if (report_fd < 0) return 3;
  for (size_t t = 0; t < sizeof(kTables) / sizeof(kTables[0]); ++t) {
    for (const struct command* command = kTables[t]; command->name != NULL; ++command) {
      if (strcmp(argv[1], command->name) != 0 || argc - 2 < command->argument_count) continue;
      command->run(argv + 2);
      return 0;
    }
  }
  return usage();
}
