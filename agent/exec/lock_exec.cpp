// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/lock_exec.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/exec/interrupt.hpp"

namespace qnet::exec {
namespace {

constexpr int kOwnerChangesMax = 8;  // Releases while one lock is being taken; then ENOLCK.

/// Runs a lock call of this thread that waits; 0, or -1 and errno.
template <class SystemCall>
Status wait_for_lock(Call& call, const OpenFilePointer& file, SystemCall lock) {
  const LongWait wait(call);
  if (!wait.has_room()) return fail(ENOLCK, "lock: too many wait");
  if (const Status may = call.may_wait_for(file); !may) return may;
  BlockingSection section(*call.job);
  if (section.run(lock) != 0) return fail_errno("lock");
  return {};
}

struct flock to_host(const LockedRange& range) {
  struct flock lock = {};
  lock.l_type = range.type;
  lock.l_whence = SEEK_SET;
  lock.l_start = range.first;
  lock.l_len = range.last == INT64_MAX ? 0 : range.last - range.first + 1;
  return lock;
}

/// From wherever it counts to both ends, with the kernel's own errors.
Result<LockedRange> range_of(const OpenFile& file, const wire::LockRangeRequest& request) {
  std::int64_t base = 0;
  if (request.whence == SEEK_CUR) {
    base = ::lseek(file.fd.get(), 0, SEEK_CUR);
    if (base < 0) base = 0;  // No position: the kernel takes 0.
  } else if (request.whence == SEEK_END) {
    struct stat found;
    if (::fstat(file.fd.get(), &found) != 0) return fail_errno("lock: fstat");
    base = found.st_size;
  } else if (request.whence != SEEK_SET) {
    return fail(EINVAL, "lock: whence");
  }
  LockedRange range{.type = static_cast<short>(request.type)};
  if (__builtin_add_overflow(base, request.start, &range.first)) return fail(EOVERFLOW, "lock: start");
  if (range.first < 0) return fail(EINVAL, "lock: start");
  range.last = INT64_MAX;
  if (request.length > 0) {
    if (__builtin_add_overflow(range.first, request.length - 1, &range.last)) return fail(EOVERFLOW, "lock: end");
  } else if (request.length < 0) {
    range.last = range.first - 1;
    if (__builtin_add_overflow(range.first, request.length, &range.first) || range.first < 0) {
      return fail(EINVAL, "lock: length");
    }
  }
  return range;
}

wire::LockRangeReply to_wire(const struct flock& lock) {
  return {.type = static_cast<std::uint16_t>(lock.l_type),
          .whence = static_cast<std::uint16_t>(lock.l_whence),
          .start = lock.l_start,
          .length = lock.l_len,
          .process = lock.l_pid};
}

/// The handle's own locks: the kernel's business altogether.
Result<wire::LockRangeReply> lock_ofd(Call& call, const OpenFilePointer& file, const wire::LockRangeRequest& request) {
  struct flock lock = {};
  lock.l_type = static_cast<short>(request.type);
  lock.l_whence = static_cast<short>(request.whence);
  lock.l_start = request.start;
  lock.l_len = request.length;
  const int fd = file->fd.get();
  const auto command = static_cast<wire::LockCommand>(request.command);
  const bool is_get = command == wire::LockCommand::kGet;
  if (::fcntl(fd, is_get ? F_OFD_GETLK : F_OFD_SETLK, &lock) == 0) return to_wire(lock);
  if (command != wire::LockCommand::kSetWait || errno != EAGAIN) return fail_errno("fcntl F_OFD_SETLK");
  if (const Status got = wait_for_lock(call, file, [&] { return ::fcntl(fd, F_OFD_SETLKW, &lock); }); !got) {
    return fail(got.error());
  }
  return to_wire(lock);
}

/// What is in the way of the process; the request itself with F_UNLCK if nothing is.
Result<wire::LockRangeReply> get_posix(Call& call, const OpenFile& file, const wire::LockRangeRequest& request,
                                       const LockedRange& range) {
  const LockOwnerPointer owner = call.context.locks.find(*call.job->client, call.caller().process, file.key);
  std::shared_ptr<UniqueFd> description;
  if (owner) {
    const std::lock_guard lock(owner->mutex);
    description = owner->fd;
  }
  struct flock lock = to_host(range);
  if (::fcntl(description ? description->get() : file.fd.get(), F_OFD_GETLK, &lock) != 0) {
    return fail_errno("fcntl F_GETLK");
  }
  if (lock.l_type == F_UNLCK) {
    return wire::LockRangeReply{
        .type = F_UNLCK, .whence = request.whence, .start = request.start, .length = request.length, .process = 0};
  }
  if (lock.l_pid == -1) {  // An OFD lock: one of ours, or somebody's here.
    const std::int64_t last = lock.l_len == 0 ? INT64_MAX : lock.l_start + lock.l_len - 1;
    const std::uint32_t holder = call.context.locks.holder(file.key, owner.get(), lock.l_start, last);
    if (holder != 0) lock.l_pid = static_cast<pid_t>(holder);
  }
  return to_wire(lock);
}

/// Tries, and remembers what it got. Errors: EAGAIN when somebody else has it; ESTALE when the owner was released.
Status try_posix(LockOwner& owner, const LockedRange& range) {
  const std::lock_guard lock(owner.mutex);
  if (owner.is_released) return fail(ESTALE, "lock: released meanwhile");
  if (owner.ranges.all().size() >= LockOwner::kRangesMax && range.type != F_UNLCK) {
    return fail(ENOLCK, "lock: too many ranges");
  }
  struct flock wanted = to_host(range);
  if (::fcntl(owner.fd->get(), F_OFD_SETLK, &wanted) != 0) return fail_errno("fcntl F_SETLK");
  owner.ranges.set(range);
  return {};
}

Status set_posix(Call& call, const OpenFilePointer& file, const LockedRange& range, bool waits) {
  LockTable& locks = call.context.locks;
  const ClientLife& client = *call.job->client;
  const std::uint32_t process = call.caller().process;
  if (range.type == F_UNLCK && !locks.find(client, process, file->key)) return {};

  for (int attempt = 0; attempt < kOwnerChangesMax; ++attempt) {
    const Result<LockOwnerPointer> owner = locks.owner(client, process, *file);
    if (!owner) return fail(owner.error());
    const Status tried = try_posix(**owner, range);
    if (!tried && tried.error().code == ESTALE) continue;
    if (tried || !waits || tried.error().code != EAGAIN) return tried;

    std::shared_ptr<UniqueFd> description;
    {
      const std::lock_guard lock((*owner)->mutex);
      description = (*owner)->fd;
    }
    struct flock wanted = to_host(range);
    const auto lock_it = [&] { return ::fcntl(description->get(), F_OFD_SETLKW, &wanted); };
    if (const Status got = wait_for_lock(call, file, lock_it); !got) return got;
    if ((*owner)->record(*description, range)) return {};
  }
  return fail(ENOLCK, "lock: the process keeps closing the file");
}

Status may_lock(const OpenFile& file, const wire::LockRangeRequest& request) {
  if (file.kind == wire::HandleKind::kPath) return fail(EBADF, "lock: O_PATH");
  const bool is_get = request.command == static_cast<std::uint8_t>(wire::LockCommand::kGet);
  switch (request.type) {
    case F_RDLCK:
      if (!is_get && file.access == O_WRONLY) return fail(EBADF, "lock: not open for reading");
      return {};
    case F_WRLCK:
      if (!is_get && file.access == O_RDONLY) return fail(EBADF, "lock: not open for writing");
      return {};
    case F_UNLCK:
      if (is_get) return fail(EINVAL, "lock: type");
      return {};
    default:
      return fail(EINVAL, "lock: type");
  }
}

}  // namespace

Result<wire::LockWholeReply> execute(op::LockWhole, Call& call, const wire::LockWholeRequest& request) {
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  const int fd = (*file)->fd.get();
  const auto operation = static_cast<int>(request.operation);
  if (::flock(fd, operation | LOCK_NB) == 0) return wire::LockWholeReply{};
  if (errno != EWOULDBLOCK || (operation & LOCK_NB) != 0) return fail_errno("flock");
  if (const Status got = wait_for_lock(call, *file, [&] { return ::flock(fd, operation); }); !got) {
    return fail(got.error());
  }
  return wire::LockWholeReply{};
}

Result<wire::LockRangeReply> execute(op::LockRange, Call& call, const wire::LockRangeRequest& request) {
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  if (request.is_ofd != 0) return lock_ofd(call, *file, request);
  if (const Status may = may_lock(**file, request); !may) return fail(may.error());
  const Result<LockedRange> range = range_of(**file, request);
  if (!range) return fail(range.error());

  const auto command = static_cast<wire::LockCommand>(request.command);
  if (command == wire::LockCommand::kGet) return get_posix(call, **file, request, *range);
  if (const Status set = set_posix(call, *file, *range, command == wire::LockCommand::kSetWait); !set) {
    return fail(set.error());
  }
  return wire::LockRangeReply{
      .type = request.type, .whence = request.whence, .start = request.start, .length = request.length, .process = 0};
}

Result<wire::ReleaseLocksReply> execute(op::ReleaseLocks, Call& call, const wire::ReleaseLocksRequest&) {
  const ClientLife& client = *call.job->client;
  const std::uint32_t process = call.caller().process;
  if (call.handle().is_none()) {
    call.context.locks.release(client, process);
    return wire::ReleaseLocksReply{};
  }
  const Result<OpenFilePointer> file = call.file();
  if (!file) return fail(file.error());
  call.context.locks.release(client, process, (*file)->key);
  return wire::ReleaseLocksReply{};
}

}  // namespace qnet::exec
