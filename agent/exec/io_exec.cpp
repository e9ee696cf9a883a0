// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/io_exec.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "agent/exec/file_exec.hpp"
#include "agent/exec/interrupt.hpp"
#include "agent/exec/open_flags.hpp"
#include "agent/exec/reply.hpp"

namespace qnet::exec {
namespace {

constexpr std::size_t kDirectAlignment = 4096;       // What every disk's O_DIRECT accepts.
constexpr std::uint32_t kAtOnceBytesMax = 64 << 10;  // Copying it takes about as long as waking a thread.
constexpr std::int64_t kLongestPollMs = std::int64_t{1000} * 60 * 60 * 24 * 365;  // Longer is for ever.

bool is_current(std::int64_t offset_bytes) {
  return offset_bytes == wire::ReadRequest::kCurrentOffset;
}

ssize_t read_once(const OpenFile& file, std::int64_t offset_bytes, MutableBytes into) {
  const int fd = file.fd.get();
  return is_current(offset_bytes) ? ::read(fd, into.data(), into.size())
                                  : ::pread(fd, into.data(), into.size(), offset_bytes);
}

ssize_t write_once(const OpenFile& file, std::int64_t offset_bytes, ByteView from) {
  const int fd = file.fd.get();
  return is_current(offset_bytes) ? ::write(fd, from.data(), from.size())
                                  : ::pwrite(fd, from.data(), from.size(), offset_bytes);
}

struct FreeMemory {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeMemory>;

AlignedBytes aligned_bytes(std::size_t size_bytes) {
  const std::size_t rounded = (size_bytes + kDirectAlignment) / kDirectAlignment * kDirectAlignment;
  return AlignedBytes(static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, rounded)));
}

ssize_t read_regular(OpenFile& file, std::int64_t offset_bytes, MutableBytes into) {
  std::unique_lock position(file.position_mutex, std::defer_lock);
  if (is_current(offset_bytes)) position.lock();
  if (!file.is_direct) return read_once(file, offset_bytes, into);
  const AlignedBytes aligned = aligned_bytes(into.size());
  const ssize_t count = read_once(file, offset_bytes, {aligned.get(), into.size()});
  if (count > 0) std::memcpy(into.data(), aligned.get(), static_cast<std::size_t>(count));
  return count;
}

ssize_t write_regular(OpenFile& file, std::int64_t offset_bytes, ByteView from) {
  std::unique_lock position(file.position_mutex, std::defer_lock);
  if (is_current(offset_bytes)) position.lock();
  if (!file.is_direct) return write_once(file, offset_bytes, from);
  const AlignedBytes aligned = aligned_bytes(from.size());
  if (!from.empty()) std::memcpy(aligned.get(), from.data(), from.size());
  return write_once(file, offset_bytes, {aligned.get(), from.size()});
}

/// Hands the job to the waiter, or says why not: EINTR, EMFILE …, EPERM for a device that nobody can wait for.
Error park(Call& call, const OpenFilePointer& file, std::uint32_t poll_events) {
  if (const Status may = call.may_wait_for(file); !may) return may.error();
  if (const Status parked = call.context.waiter->park(call.job, file->fd.get(), poll_events); !parked) {
    return parked.error();
  }
  return {kParked, "parked"};
}

/// A device without poll(): its read and write wait themselves, on this thread, from now on.
Status let_it_block(OpenFile& file) {
  const Result<std::uint32_t> flags = application_flags(file);
  if (!flags) return fail(flags.error());
  if (::fcntl(file.fd.get(), F_SETFL, host_open_flags(*flags)) != 0) return fail_errno("fcntl F_SETFL");
  file.may_wait = false;
  return {};
}

/// Repeats `io` (returns -1 and errno) until it could do something, was cancelled, or the job is parked.
template <class Io>
Result<std::size_t> run_waiting(Call& call, const OpenFilePointer& file, bool may_block, std::uint32_t poll_events,
                                Io io) {
  if (file->may_wait) {
    const ssize_t count = io();
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EAGAIN || !may_block || file->wants_nonblock) return fail_errno("io");
    const Error error = park(call, file, poll_events);
    if (error.code != EPERM) return fail(error);
    if (const Status changed = let_it_block(*file); !changed) return fail(changed.error());
  }
  const LongWait wait(call);
  if (!wait.has_room()) return fail(EAGAIN, "io: too many wait");
  if (const Status may = call.may_wait_for(file); !may) return fail(may.error());
  BlockingSection section(*call.job);
  const ssize_t count = section.run(io);
  if (count < 0) return fail_errno("io");
  return static_cast<std::size_t>(count);
}

bool is_regular(const OpenFile& file) {
  return file.kind != wire::HandleKind::kStream && file.kind != wire::HandleKind::kCharacter;
}

}  // namespace

Result<Buffer> execute(op::Read, Call& call, const wire::ReadRequest& request) {
  const Result<OpenFilePointer> found = call.file();
  if (!found) return fail(found.error());
  const OpenFilePointer& file = *found;
  Buffer body(request.length_bytes);

  if (is_regular(*file)) {
    const ssize_t count = read_regular(*file, request.offset_bytes, body.bytes());
    if (count < 0) return fail_errno("read");
    body.truncate(static_cast<std::size_t>(count));
    return body;
  }
  const auto read_into_body = [&] { return read_once(*file, request.offset_bytes, body.bytes()); };
  const Result<std::size_t> count = run_waiting(call, file, request.may_block != 0, POLLIN, read_into_body);
  if (!count) return fail(count.error());
  body.truncate(*count);
  return body;
}

Result<wire::WriteReply> execute(op::Write, Call& call, const wire::WriteRequest& request) {
  const Result<OpenFilePointer> found = call.file();
  if (!found) return fail(found.error());
  const OpenFilePointer& file = *found;

  if (is_regular(*file)) {
    const ssize_t count = write_regular(*file, request.offset_bytes, request.data.bytes);
    if (count < 0) return fail_errno("write");
    return wire::WriteReply{.written_bytes = static_cast<std::uint32_t>(count)};
  }
  // A FIFO and a terminal take everything, however long that is, unless the application does not want to wait.
  const bool may_block = request.may_block != 0;
  const bool takes_all = file->kind == wire::HandleKind::kStream || file->is_terminal;
  std::size_t& written = call.job->progress_bytes;
  for (;;) {
    const ByteView rest = request.data.bytes.subspan(written);
    const auto write_rest = [&] { return write_once(*file, request.offset_bytes, rest); };
    const Result<std::size_t> count = run_waiting(call, file, may_block, POLLOUT, write_rest);
    if (!count) {
      if (count.error().code == kParked || written == 0) return fail(count.error());
      break;  // What is written is written.
    }
    written += *count;
    if (written == request.data.bytes.size() || *count == 0) break;
    if (!takes_all || !may_block || file->wants_nonblock) break;
  }
  return wire::WriteReply{.written_bytes = static_cast<std::uint32_t>(written)};
}

Result<wire::PollReply> execute(op::Poll, Call& call, const wire::PollRequest& request) {
  const Result<OpenFilePointer> found = call.file();
  if (!found) return fail(found.error());
  const OpenFilePointer& file = *found;
  Job& job = *call.job;

  pollfd entry = {.fd = file->fd.get(), .events = static_cast<short>(request.events), .revents = 0};
  if (::poll(&entry, 1, 0) < 0) return fail_errno("poll");
  const bool is_over = request.timeout_ms == 0 || job.is_timed_out;
  if (entry.revents != 0 || is_over) {
    return wire::PollReply{.events = static_cast<std::uint16_t>(entry.revents)};
  }
  if (!job.deadline && request.timeout_ms > 0 && request.timeout_ms < kLongestPollMs) {
    job.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(request.timeout_ms);
  }
  Error error = park(call, file, request.events);
  if (error.code == EPERM) {  // A regular file: nothing will ever happen, only the time passes.
    const Status parked = call.context.waiter->park(call.job, -1, 0);
    error = parked ? Error{kParked, "parked"} : parked.error();
  }
  return fail(error);
}

Reply interrupted_reply(const Job& job) {
  if (job.opcode() != wire::Opcode::kWrite || job.progress_bytes == 0) return {.error = EINTR, .body = {}};
  return {.error = 0, .body = to_body(wire::WriteReply{static_cast<std::uint32_t>(job.progress_bytes)})};
}

namespace {

/// Asked when a file system does not know RWF_NOWAIT.
Cache cache_of(int fd) {
  struct statfs found;
  if (::fstatfs(fd, &found) != 0) return Cache::kUnknown;
  return found.f_type == TMPFS_MAGIC || found.f_type == RAMFS_MAGIC ? Cache::kMemory : Cache::kUnknown;
}

/// Everything, or what there is up to the end of the file; nothing if a part would have to come from the disk.
bool read_cached(OpenFile& file, const wire::ReadRequest& request, Reply& reply) {
  if (request.length_bytes > kAtOnceBytesMax || file.is_direct || file.cache == Cache::kUnknown) return false;
  if (file.kind != wire::HandleKind::kFile) return false;
  const bool moves = is_current(request.offset_bytes);
  std::unique_lock position(file.position_mutex, std::defer_lock);
  if (moves && !position.try_lock()) return false;

  Buffer body(request.length_bytes);
  std::size_t done = 0;
  for (;;) {
    iovec rest = {.iov_base = body.data() + done, .iov_len = body.size() - done};
    const off_t offset = moves ? -1 : request.offset_bytes + static_cast<off_t>(done);
    const int flags = file.cache == Cache::kMemory ? 0 : RWF_NOWAIT;
    const ssize_t count = ::preadv2(file.fd.get(), &rest, 1, offset, flags);
    if (count < 0 && errno == EOPNOTSUPP && flags != 0) {
      file.cache = cache_of(file.fd.get());
      if (file.cache == Cache::kMemory) continue;
    }
    if (count < 0) {
      if (moves && done > 0) ::lseek(file.fd.get(), -static_cast<off_t>(done), SEEK_CUR);
      return false;  // A worker reads it all, and says what is wrong if something is.
    }
    done += static_cast<std::size_t>(count);
    if (count == 0 || done == body.size()) break;
  }
  body.truncate(done);
  reply = {.error = 0, .body = std::move(body)};
  return true;
}

bool seek_at_once(OpenFile& file, const wire::SeekRequest& request, Reply& reply) {
  if (request.whence != SEEK_SET && request.whence != SEEK_CUR) return false;
  if (file.kind != wire::HandleKind::kFile || !file.position_mutex.try_lock()) return false;
  const std::lock_guard position(file.position_mutex, std::adopt_lock);
  const off_t offset = ::lseek(file.fd.get(), request.offset, static_cast<int>(request.whence));
  reply = offset < 0 ? Reply{.error = errno, .body = {}}
                     : Reply{.error = 0, .body = to_body(wire::SeekReply{.offset = offset})};
  return true;
}

/// The last close of a file that was only read has nothing to write, unless it deletes the file.
bool close_at_once(Context& context, const ClientLife& client, HandleId handle, OpenFilePointer file, Reply& reply) {
  if (file->kind != wire::HandleKind::kFile || file->access != O_RDONLY || file->waiting.load() > 0) return false;
  struct stat found;
  if (::fstat(file->fd.get(), &found) != 0 || found.st_nlink == 0) return false;
  file.reset();
  const Result<OpenFilePointer> removed = context.handles.remove(client, handle);
  reply = Reply{.error = removed ? 0 : removed.error().code, .body = to_body(wire::CloseReply{})};
  return true;
}

}  // namespace

bool answer_at_once(Context& context, const ClientLife& client, const Request& request, Reply& reply) {
  const auto opcode = static_cast<wire::Opcode>(request.header.opcode);
  if (opcode != wire::Opcode::kRead && opcode != wire::Opcode::kSeek && opcode != wire::Opcode::kClose) return false;
  const HandleId handle{request.header.handle};
  Result<OpenFilePointer> file = context.handles.find(client, handle);
  if (!file) return false;
  if (opcode == wire::Opcode::kClose) return close_at_once(context, client, handle, std::move(*file), reply);
  if (opcode == wire::Opcode::kRead) {
    const Result<wire::ReadRequest> read = wire::decode<wire::ReadRequest>(request.body.view());
    return read && read_cached(**file, *read, reply);
  }
  const Result<wire::SeekRequest> seek = wire::decode<wire::SeekRequest>(request.body.view());
  return seek && seek_at_once(**file, *seek, reply);
}

}  // namespace qnet::exec
