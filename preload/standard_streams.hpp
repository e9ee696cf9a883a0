// SPDX-License-Identifier: Apache-2.0
//
// standard_streams.hpp: are stdin, stdout and stderr the right streams for what descriptors 0, 1 and 2 are now?
//
// libc's own three cannot use a remote descriptor. The variables are ordinary data that libc itself honours, so a
// stream of ours takes the place; what libc's stream held in its buffer goes with it. Once there, our stream stays: it
// works with local descriptors, too. A program that kept the old pointer still writes to the right file, if not
// in order with the new stream, and cannot read from it (design D2).
#pragma once

#include <stdio.h>

namespace qnet::preload {

struct RemoteStream;

/// Constructor: makes stdin, stdout and stderr streams of ours where descriptors 0, 1 and 2 are remote. One array
/// look-up or one getpeername(2) per descriptor when they are not.
void adopt_standard_streams();

/// open, close, dup, dup2, dup3, fcntl F_DUPFD, close_range, recvmsg: descriptor `fd` is another one than before.
/// Nothing unless it is 0, 1 or 2. Allocates once per stream when its descriptor becomes remote, never while it is
/// local.
void standard_stream_changed(int fd);

/// The variable if `stream` is what stdin, stdout or stderr points to now, else null.
FILE** standard_variable(FILE* stream);
/// libc's own stream for descriptor 0, 1 or 2.
FILE* original_stream(int fd);
/// The stream is being closed: the variable must not point to freed memory.
void forget_standard_stream(const RemoteStream* stream);

}  // namespace qnet::preload
