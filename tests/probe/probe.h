// SPDX-License-Identifier: Apache-2.0
//
// probe.h: how does a probe say what a libc call did?
//
// One JSON object per line on the standard output that the program was started with, whatever becomes of descriptor 1:
//   {"step":"open missing","result":-1,"error":"ENOENT"}
// What depends on the file system or the node (inode numbers, order of entries) is never told, so that the same probe
// gives the same lines natively and under libqnet.so.
#pragma once

#include <stddef.h>

struct command {
  const char* name;
  const char* arguments;  // for --help
  int argument_count;     // without the name
  void (*run)(char** arguments);
};

// Ended by an entry without a name.
extern const struct command call_commands[];
extern const struct command directory_commands[];
extern const struct command file_commands[];
extern const struct command process_commands[];
extern const struct command readiness_commands[];
extern const struct command standard_commands[];
extern const struct command stream_commands[];
extern const struct command walk_commands[];

/// `result` and, if it is negative, the name of errno.
void tell(const char* step, long result);
/// The name of errno if `is_failed`.
void tell_status(const char* step, long result, int is_failed);
/// For calls that return an error number.
void tell_number(const char* step, int error);
void tell_text(const char* step, const char* text);
void tell_bytes(const char* step, const void* bytes, size_t count);

/// "DIRECTORY/NAME"; never freed, a probe is short.
const char* in(const char* directory, const char* name);
/// Creates or replaces a file; ends the program if that fails.
void make_file(const char* path, const char* content);
/// The file's content up to 4 KiB, as text; "(cannot be read)" if it cannot.
const char* content_of(const char* path);
/// Waits for a child and tells its status.
void tell_child(const char* step, int child);
