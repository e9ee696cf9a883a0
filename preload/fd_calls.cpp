// SPDX-License-Identifier: Apache-2.0
//
// fd_calls.cpp: closing, duplicating and asking about descriptors.
//
// The kernel shares a remote descriptor by itself (design D1); what is done here is to keep the notes of fd_table.hpp
// true, to keep the library's own connections out of the program's hands, and to send what concerns the open file
// description to its owner.
#include <sys/syscall.h>

#include <climits>

#include "agent/client/brought.hpp"
#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/record_locks.hpp"
#include "preload/remote_call.hpp"
#include "preload/standard_streams.hpp"

namespace qnet::preload {
namespace {

using wire::Opcode;

void note_changed(int fd) {
  note_unknown(fd);
  if (fd < 0 || fd > 2) return;
  const KeepErrno keep;
  standard_stream_changed(fd);
}

/// close(2) drops the process's record locks on the file, whichever descriptor took them.
void release_locks_before_close(int fd) {
  if (!state().may_hold_record_locks.load(std::memory_order_relaxed)) return;
  RemoteFd file;
  if (!find_remote(fd, file) || file.error != 0) return;
  static_cast<void>(ask_handle<wire::ReleaseLocksReply>(file, Opcode::kReleaseLocks, wire::ReleaseLocksRequest{}));
}

/// The number is about to be taken by dup2() or dup3().
void make_way(int wanted) {
  client::brought::closing(static_cast<unsigned>(wanted), static_cast<unsigned>(wanted));
  if (client::owns_descriptor(wanted)) client::vacate(wanted);
  else release_locks_before_close(wanted);
}

int note_duplicate(int fd, int copy) {
  client::brought::settle();  // Another number has a share in the offset.
  if (copy < 0) return copy;
  const bool is_known_local = !may_be_remote(fd) && is_started();
  if (is_known_local) note_local(copy);
  else note_unknown(copy);
  if (copy <= 2) {
    const KeepErrno keep;
    standard_stream_changed(copy);
  }
  return copy;
}

int flags_of(const RemoteFd& file) {
  const auto flags = ask_handle<wire::GetFlagsReply>(file, Opcode::kGetFlags, wire::GetFlagsRequest{});
  return flags ? static_cast<int>(flags->flags) : refuse(flags.error().code);
}

int set_flags(const RemoteFd& file, long flags) {
  return answer(ask_handle<wire::SetFlagsReply>(file, Opcode::kSetFlags,
                                                wire::SetFlagsRequest{static_cast<std::uint32_t>(flags)}));
}

int control_remote(const RemoteFd& file, int command, long argument) {
  switch (command) {
    case F_GETFL:
      return flags_of(file);
    case F_SETFL:
      return set_flags(file, argument);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return lock_record(file, command, reinterpret_cast<struct flock*>(argument));
    case F_SETLEASE:
      return refuse(EAGAIN);
    case F_GETLEASE:
      return F_UNLCK;
    case F_NOTIFY:
      return refuse(file.is_directory() ? EINVAL : ENOTDIR);
    case F_ADD_SEALS:
    case F_GET_SEALS:
      return refuse(EINVAL);
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ:
      return refuse(EBADF);
    default:
      return libc().fcntl(file.fd, command, argument);
  }
}

bool is_kept_native(int command) {
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_GETFD:
    case F_SETFD:
      return true;
    default:
      return false;
  }
}

/// close_range() over the parts of [first, last] that are not ours.
int close_between(unsigned first, unsigned last, int flags) {
  unsigned start = first;
  for (;;) {
    const unsigned own = client::next_own_descriptor(start);
    if (own == UINT_MAX || own > last) break;
    if (own > start && libc().close_range(start, own - 1, flags) < 0) return -1;
    start = own + 1;
  }
  return start <= last ? libc().close_range(start, last, flags) : 0;
}

void release_locks_between(unsigned first, unsigned last) {
  if (!state().may_hold_record_locks.load(std::memory_order_relaxed)) return;
  const unsigned end = last < kFdNotes ? last + 1 : kFdNotes;
  for (unsigned fd = first; fd < end; ++fd) {
    if (fd_notes[fd].load(std::memory_order_relaxed) == FdNote::kRemote) {
      release_locks_before_close(static_cast<int>(fd));
    }
  }
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_close(int fd) {
  if (qnet::client::owns_descriptor(fd)) return refuse(EBADF);
  qnet::client::brought::closing(static_cast<unsigned>(fd), static_cast<unsigned>(fd));
  if (may_be_remote(fd)) release_locks_before_close(fd);
  // The note goes first: once the number is free, another thread may be given it.
  note_unknown(fd);
  const int result = libc().close(fd);
  if (fd >= 0 && fd <= 2) note_changed(fd);
  return result;
}

extern "C" int qnet_dup(int fd) {
  if (qnet::client::owns_descriptor(fd)) return refuse(EBADF);
  return note_duplicate(fd, libc().dup(fd));
}

extern "C" int qnet_dup2(int fd, int wanted) {
  if (qnet::client::owns_descriptor(fd)) return refuse(EBADF);
  if (fd == wanted) return libc().dup2(fd, wanted);
  make_way(wanted);
  note_unknown(wanted);
  return note_duplicate(fd, libc().dup2(fd, wanted));
}

extern "C" int qnet_dup3(int fd, int wanted, int flags) {
  if (qnet::client::owns_descriptor(fd)) return refuse(EBADF);
  if (fd != wanted) make_way(wanted);
  note_unknown(wanted);
  return note_duplicate(fd, libc().dup3(fd, wanted, flags));
}

extern "C" int qnet_fcntl(int fd, int command, long argument) {
  if (qnet::client::owns_descriptor(fd)) return refuse(EBADF);
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) return note_duplicate(fd, libc().fcntl(fd, command, argument));
  RemoteFd file;
  if (!may_be_remote(fd) || is_kept_native(command) || !find_remote(fd, file)) {
    if (command == F_SETLKW || command == F_OFD_SETLKW) qnet::client::brought::received();
    return libc().fcntl(fd, command, argument);
  }
  return control_remote(file, command, argument);
}

extern "C" int qnet_close_range(unsigned first, unsigned last, int flags) {
  if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) != 0) return refuse(EINVAL);
  if ((flags & CLOSE_RANGE_CLOEXEC) != 0) return libc().close_range(first, last, flags);
  qnet::client::brought::closing(first, last);
  release_locks_between(first, last);
  const int result = close_between(first, last, flags);
  note_unknown_between(first, last);
  for (unsigned fd = first; fd <= last && fd <= 2; ++fd) note_changed(static_cast<int>(fd));
  return result;
}

extern "C" void qnet_closefrom(int first) {
  const unsigned start = first < 0 ? 0 : static_cast<unsigned>(first);
  if (qnet_close_range(start, ~0U, 0) == 0) return;
  // A kernel before 5.9. Nobody has more descriptors than the notes cover without knowing of close_range().
  for (int fd = static_cast<int>(start); fd < kFdNotes; ++fd) {
    if (!qnet::client::owns_descriptor(fd)) qnet_close(fd);
  }
}
