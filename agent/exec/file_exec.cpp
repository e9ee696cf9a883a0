// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/file_exec.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "agent/exec/caller_umask.hpp"
#include "agent/exec/interrupt.hpp"
#include "agent/exec/open_flags.hpp"
#include "agent/exec/resolve.hpp"
#include "agent/exec/statx.hpp"

namespace qnet::exec {
namespace {

wire::HandleKind kind_of(int flags, mode_t mode) {
  if ((flags & O_PATH) != 0) return wire::HandleKind::kPath;
  if (S_ISDIR(mode)) return wire::HandleKind::kDirectory;
  if (S_ISFIFO(mode)) return wire::HandleKind::kStream;
  if (S_ISCHR(mode)) return wire::HandleKind::kCharacter;
  return wire::HandleKind::kFile;
}

/// Opening a FIFO waits for the other side, opening a terminal for its carrier.
bool may_wait_in_open(const Place& place, int flags) {
  if ((flags & (O_NONBLOCK | O_PATH | O_DIRECTORY)) != 0) return false;
  struct statx found;
  const int how = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC | ((flags & O_NOFOLLOW) != 0 ? AT_SYMLINK_NOFOLLOW : 0);
  if (::statx(place.directory(), place.name(), how, STATX_TYPE, &found) != 0) return false;
  return S_ISFIFO(found.stx_mode) || S_ISCHR(found.stx_mode);
}

/// The descriptor, -1 and errno.
int open_cancellable(Call& call, const Place& place, int flags, mode_t mode) {
  const auto open_once = [&] { return ::openat(place.directory(), place.name(), flags, mode); };
  BlockingSection section(*call.job);
  if (!may_wait_in_open(place, flags)) return section.run(open_once);
  const LongWait wait(call);
  if (wait.has_room()) return section.run(open_once);
  errno = EAGAIN;
  return -1;
}

/// Waiting is not the descriptor's business but the waiter's.
Status stop_waiting(OpenFile& file, std::uint32_t wanted_flags) {
  file.wants_nonblock = (wanted_flags & O_NONBLOCK) != 0;
  const int flags = ::fcntl(file.fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(file.fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno("open: O_NONBLOCK");
  file.may_wait = true;
  file.is_terminal = file.kind == wire::HandleKind::kCharacter && ::isatty(file.fd.get()) == 1;
  return {};
}

/// The whole of a small file, or nothing. Files that the kernel makes up as they are read have no blocks: reading those
/// may do something.
ByteView contents_of(int fd, const struct statx& found, std::uint32_t bytes_max) {
  thread_local std::array<std::byte, wire::kContentsBytesMax + 1> memory;
  if (!S_ISREG(found.stx_mode) || found.stx_blocks == 0) return {};
  if (found.stx_size == 0 || found.stx_size > bytes_max) return {};
  const ssize_t count = ::pread(fd, memory.data(), found.stx_size + 1, 0);
  if (count < 0 || static_cast<std::uint64_t>(count) != found.stx_size) return {};
  return ByteView(memory).first(static_cast<std::size_t>(count));
}

}  // namespace

Result<wire::OpenReply> execute(op::Open, Call& call, const wire::OpenRequest& request) {
  Place place;
  if (const Status located = locate(call, call.handle(), request.path, 0, place); !located) {
    return fail(located.error());
  }
  const int flags = host_open_flags(request.flags) | O_CLOEXEC | O_NOCTTY;
  if (place.is_open_thing()) {
    if (const Status absolute = place.make_absolute(); !absolute) return fail(absolute.error());
  }
  Result<HandleQuota::Share> share = call.context.handles.reserve(call.caller().user);
  if (!share) {
    call.is_over_users_limit = share.error().code == EMFILE;
    return fail(share.error());
  }
  auto file = std::make_shared<OpenFile>();
  file->share = std::move(*share);
  {
    const CallerUmask umask(request.mode);
    file->fd.reset(open_cancellable(call, place, flags, umask.mode() & 07777));
  }
  if (!file->fd) {
    const bool creates_new = (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0;
    const bool follow_last = (flags & O_NOFOLLOW) == 0 && !creates_new;
    return fail(explain(call, place, errno, follow_last, 0, "open"));
  }

  struct statx found;
  if (::statx(file->fd.get(), "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, kAttributesMask | STATX_MNT_ID, &found) != 0) {
    return fail_errno("open: statx");
  }
  file->client = call.job->client;
  file->opener = call.caller().user;
  file->kind = kind_of(flags, found.stx_mode);
  file->access = flags & O_ACCMODE;
  file->key = key_of(found);
  const bool knows_mount = (found.stx_mask & STATX_MNT_ID) != 0 && call.context.root_mount != 0;
  file->is_root = file->key == call.context.root && (!knows_mount || found.stx_mnt_id == call.context.root_mount);
  file->is_direct = (flags & O_DIRECT) != 0;
  if (file->kind == wire::HandleKind::kStream || file->kind == wire::HandleKind::kCharacter) {
    if (const Status stopped = stop_waiting(*file, request.flags); !stopped) return fail(stopped.error());
  }

  wire::OpenReply reply;
  reply.kind = static_cast<std::uint8_t>(file->kind);
  reply.attributes = to_wire(found);
  if (request.contents_bytes_max > 0 && file->access == O_RDONLY && !file->is_direct) {
    reply.contents.bytes = contents_of(file->fd.get(), found, request.contents_bytes_max);
  }
  const Result<HandleId> handle = call.context.handles.insert(std::move(file));
  if (!handle) return fail(handle.error());
  reply.handle = handle->value;
  return reply;
}

Result<wire::CloseReply> execute(op::Close, Call& call, const wire::CloseRequest&) {
  const Result<OpenFilePointer> file = call.context.handles.remove(*call.job->client, call.handle());
  if (!file) return fail(file.error());
  if ((*file)->waiting.load() > 0) {
    call.context.end_waits(*call.job->client, call.handle());  // No descriptor is left that could hear of it.
  }
  return wire::CloseReply{};
}

Result<wire::SeekReply> execute(op::Seek, Call& call, const wire::SeekRequest& request) {
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  const off_t offset = ::lseek((*file)->fd.get(), request.offset, static_cast<int>(request.whence));
  if (offset < 0) return fail_errno("lseek");
  return wire::SeekReply{.offset = offset};
}

Result<wire::SyncReply> execute(op::Sync, Call& call, const wire::SyncRequest& request) {
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  const int fd = (*file)->fd.get();
  int result = -1;
  switch (static_cast<wire::SyncKind>(request.kind)) {
    case wire::SyncKind::kAll:
      result = ::fsync(fd);
      break;
    case wire::SyncKind::kData:
      result = ::fdatasync(fd);
      break;
    case wire::SyncKind::kFileSystem:
      result = ::syncfs(fd);
      break;
    case wire::SyncKind::kRange:
      result = ::sync_file_range(fd, request.offset, request.length, request.flags);
      break;
  }
  if (result != 0) return fail_errno("fsync");
  return wire::SyncReply{};
}

Result<wire::AllocateReply> execute(op::Allocate, Call& call, const wire::AllocateRequest& request) {
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  if (::fallocate((*file)->fd.get(), static_cast<int>(request.mode), request.offset, request.length) != 0) {
    return fail_errno("fallocate");
  }
  return wire::AllocateReply{};
}

Result<wire::AdviseReply> execute(op::Advise, Call& call, const wire::AdviseRequest& request) {
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  const int error =
      ::posix_fadvise((*file)->fd.get(), request.offset, request.length, static_cast<int>(request.advice));
  if (error != 0) return fail(error, "posix_fadvise");
  return wire::AdviseReply{};
}

Result<std::uint32_t> application_flags(const OpenFile& file) {
  int flags = ::fcntl(file.fd.get(), F_GETFL);
  if (flags < 0) return fail_errno("fcntl F_GETFL");
  if (file.may_wait && !file.wants_nonblock) flags &= ~O_NONBLOCK;
  return wire_open_flags(flags);
}

Result<wire::GetFlagsReply> execute(op::GetFlags, Call& call, const wire::GetFlagsRequest&) {
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  const Result<std::uint32_t> flags = application_flags(**file);
  if (!flags) return fail(flags.error());
  return wire::GetFlagsReply{.flags = *flags};
}

Result<wire::SetFlagsReply> execute(op::SetFlags, Call& call, const wire::SetFlagsRequest& request) {
  const Result<OpenFilePointer> found = call.file();
  if (!found) return fail(found.error());
  OpenFile& file = **found;
  const int wanted = host_open_flags(request.flags);
  const bool keeps_nonblock = file.may_wait.load();
  if (::fcntl(file.fd.get(), F_SETFL, wanted | (keeps_nonblock ? O_NONBLOCK : 0)) != 0) {
    return fail_errno("fcntl F_SETFL");
  }
  if (keeps_nonblock) file.wants_nonblock = (wanted & O_NONBLOCK) != 0;
  file.is_direct = (wanted & O_DIRECT) != 0;
  return wire::SetFlagsReply{};
}

}  // namespace qnet::exec
