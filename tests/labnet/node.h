// SPDX-License-Identifier: Apache-2.0
//
// node.h: what do the two halves of qnet_lab_node share?
#pragma once

#include <sched.h>
#include <stdbool.h>

enum { kNodeNamespaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID };

/// Says what failed, and errno's text, on standard error; ends with status 1.
_Noreturn void lab_fail(const char* format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void lab_usage(void);

/// Arguments behind the verb; the result is the program's exit status.
int run_init(int count, char** arguments, bool network_only);
int run_exec(int count, char** arguments);
int run_spawn(int count, char** arguments);
