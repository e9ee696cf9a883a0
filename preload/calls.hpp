// SPDX-License-Identifier: Apache-2.0
//
// calls.hpp: what are the bodies behind the exported symbols called?
//
// Every row of calls.def has a body `extern "C" … qnet_<name>(…)` in its family's file. The linker gives it the libc
// name and the aliases, so the bodies never collide with libc's declarations (noexcept, nonnull, fortified inlines,
// redirects) and inside the library nobody calls them by accident.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <utime.h>
#include <wchar.h>

extern "C" {
#pragma GCC visibility push(default)
#define QNET_CALL(type, name, parameters, ...) type qnet_##name parameters;
#include "preload/calls.def"
#undef QNET_CALL
#pragma GCC visibility pop
}
