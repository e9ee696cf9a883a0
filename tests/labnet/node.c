// SPDX-License-Identifier: Apache-2.0
//
// node.c: qnet_lab_node, the part of the lab that must be quick or close to the kernel. Called by tests/lab only.
//
//   qnet_lab_node init STATE NAME [--overlay PATH]… [--show PATH]…   a new node; prints its init's pid when it stands
//   qnet_lab_node switch STATE NAME                                  a network namespace only, for a link's bridge
//   qnet_lab_node exec PID [OPTION VALUE]… -- CMD…                   runs CMD in the node whose init is PID
//   qnet_lab_node spawn PID [OPTION VALUE]… -- CMD…                  the same, but leaves it running; prints its pid
//
// Linked statically: it must start inside any root.
// Not here: links, agents, users (tests/labnet/*.py).
#define _GNU_SOURCE
#include "tests/labnet/node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kExitUsage = 2 };

void lab_fail(const char* format, ...) {
  const int error = errno;
  va_list arguments;
  va_start(arguments, format);
  fputs("lab: ", stderr);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, ": %s\n", strerror(error));
  exit(1);
}

void lab_usage(void) {
  fputs("usage: qnet_lab_node init|switch STATE NAME … | exec|spawn PID … -- CMD… (called by tests/lab)\n", stderr);
  exit(kExitUsage);
}

int main(int count, char** arguments) {
  if (count < 3) lab_usage();
  const char* verb = arguments[1];
  if (strcmp(verb, "init") == 0) return run_init(count - 2, arguments + 2, false);
  if (strcmp(verb, "switch") == 0) return run_init(count - 2, arguments + 2, true);
  if (strcmp(verb, "exec") == 0) return run_exec(count - 2, arguments + 2);
  if (strcmp(verb, "spawn") == 0) return run_spawn(count - 2, arguments + 2);
  lab_usage();
}
