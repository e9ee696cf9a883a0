// SPDX-License-Identifier: Apache-2.0
//
// kernel_requests.cpp: what does each request of the kernel mean for the owner?
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cstdio>
#include <memory>

#include "agent/fuse_attributes.hpp"
#include "agent/kernel_files.hpp"
#include "agent/log.hpp"

namespace qnet::agent {
namespace {

using wire::Opcode;

constexpr std::int64_t kCurrentOffset = wire::ReadRequest::kCurrentOffset;
constexpr std::size_t kBodyBytesMax = 256;  // of a request without data or path

int error_of(const NodeReply& reply) {
  return reply.error == wire::kErrorRedirect ? EIO : wire::errno_from_wire(reply.error);
}

template <class Request>
Buffer encoded(const Request& request) {
  std::array<std::byte, kBodyBytesMax> bytes;
  const Result<ByteView> body = wire::encode(request, bytes);
  QNET_CHECK(body.has_value());
  return Buffer(*body);
}

/// The first number behind `key` in a file of /proc; nothing if it is not there.
std::optional<std::int64_t> number_in(const std::string& path, const char* key, int base = 10) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[4096];
  const ssize_t count = file ? ::read(file.get(), text, sizeof text - 1) : -1;
  if (count <= 0) return std::nullopt;
  text[count] = '\0';
  const char* const found = std::strstr(text, key);
  if (found == nullptr) return std::nullopt;
  return std::strtoll(found + std::strlen(key), nullptr, base);
}

/// The offset of the kernel's file in the epoll set.
std::optional<std::int64_t> offset_in_kernel(int position) {
  return number_in("/proc/self/fdinfo/" + std::to_string(position), " pos:");
}

/// The process of a thread; the thread itself where /proc does not tell.
std::uint32_t process_of(std::uint32_t thread) {
  const auto process = number_in("/proc/" + std::to_string(thread) + "/status", "\nTgid:");
  return process ? static_cast<std::uint32_t>(*process) : thread;
}

/// Is it ending, and only waits for us?
bool is_dying(std::uint32_t thread) {
  constexpr std::int64_t kKill = std::int64_t{1} << (SIGKILL - 1);  // The kernel sends it to every thread then.
  const auto pending = number_in("/proc/" + std::to_string(thread) + "/status", "\nSigPnd:", 16);
  return pending && (*pending & kKill) != 0;
}

}  // namespace

// ---- what all have in common

void KernelFiles::on_request(Buffer request) {
  ++statistics_.requests;
  Asked asked;
  std::memcpy(&asked.header, request.data(), sizeof asked.header);
  asked.arguments = request.view().subspan(sizeof asked.header);
  serve(asked, request);
}

void KernelFiles::serve(const Asked& asked, Buffer& request) {
  switch (asked.header.opcode) {
    case FUSE_READ:
      return on_read(asked);
    case FUSE_WRITE:
      return on_write(asked, request);
    case FUSE_GETATTR:
      return on_get_attributes(asked);
    case FUSE_SETATTR:
      return on_set_attributes(asked);
    case FUSE_OPEN:
      return on_open(asked);
    case FUSE_RELEASE:
      answer(asked.header.unique, 0);
      return release(fuse_arguments<fuse_release_in>(asked.arguments).fh);
    case FUSE_FSYNC:
      return on_sync(asked);
    case FUSE_FALLOCATE:
      return on_allocate(asked);
    case FUSE_STATFS:
      return on_file_system(asked);
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
      return on_lock(asked);
    case FUSE_FLUSH:
      return on_flush(asked);
    case FUSE_INTERRUPT:
      return on_interrupt(asked);
    default:
      answer(asked.header.unique, ENOSYS);
  }
}

KernelFiles::File* KernelFiles::find(FileId id) {
  const auto found = files_.find(id);
  return found == files_.end() ? nullptr : found->second.get();
}

KernelFiles::FileId KernelFiles::find_node(std::uint64_t node) const {
  for (const auto& [id, file] : files_) {
    if (file->node == node) return id;
  }
  return 0;
}

bool KernelFiles::answer(std::uint64_t unique, int error, ByteView body) {
  in_flight_.erase(unique);
  return device_->reply(unique, error, body);
}

/// FUSE tells neither groups nor, for pages that are written back, a user.
wire::Caller KernelFiles::caller_of(const fuse_in_header& header, const File& file) const {
  if (header.uid == file.opener.user && header.gid == file.opener.group) return file.opener;
  return {.user = header.uid, .group = header.gid, .process = file.opener.process};
}

void KernelFiles::forward_body(const fuse_in_header& header, FileId id, Opcode opcode, Buffer body,
                               std::function<void(const NodeReply&)> then) {
  File* file = find(id);
  if (file == nullptr) {
    answer(header.unique, ESTALE);
    return;
  }
  const bool is_io = opcode == Opcode::kRead || opcode == Opcode::kWrite;
  wire::Caller caller = is_io ? file->opener : caller_of(header, *file);
  if (opcode == Opcode::kLockRange || opcode == Opcode::kReleaseLocks) caller.process = process_of(header.pid);
  InFlight& request = in_flight_[header.unique];
  request.file = id;
  request.thread = header.pid;
  request.may_wait_long = !file->has_offset || header.opcode == FUSE_SETLKW;
  auto on_reply = [this, unique = header.unique, id, then = std::move(then)](const NodeReply& reply) {
    // The connection is no longer ours.
    if (File* lost = reply.is_lost ? find(id) : nullptr) lost->connections = ConnectionSet();
    if (reply.error != 0) {
      answer(unique, error_of(reply));
      return;
    }
    then(reply);
  };
  const Status started = start_call(*file, opcode, caller, std::move(body), std::move(on_reply), &request.call);
  if (!started) answer(header.unique, started.error().code);
}

template <class Request, class Then>
void KernelFiles::forward(const fuse_in_header& header, FileId id, Opcode opcode, const Request& request, Then then) {
  forward_body(header, id, opcode, encoded(request), std::move(then));
}

// ---- reading and writing

void KernelFiles::at_offset(const fuse_in_header& header, FileId id, std::int64_t offset,
                            std::function<void(std::int64_t)> then) {
  File* file = find(id);
  if (file == nullptr) {
    answer(header.unique, ESTALE);
    return;
  }
  if (!file->has_offset) return then(kCurrentOffset);
  if (file->is_positional) return then(offset);
  if (offset == file->kernel_offset) return then(kCurrentOffset);
  if (offset_in_kernel(file->position.get()) != offset) return then(offset);  // pread, pwrite
  forward(header, id, Opcode::kSeek, wire::SeekRequest{.offset = offset, .whence = SEEK_SET},
          [then = std::move(then)](const NodeReply&) { then(kCurrentOffset); });
}

void KernelFiles::advance(const fuse_in_header& header, FileId id, std::int64_t from, std::int64_t to) {
  File* file = find(id);
  if (file == nullptr) return;
  file->offset_before = from;
  file->kernel_offset = to;
  file->mover = header.pid;
}

void KernelFiles::on_read(const Asked& asked) {
  const auto in = fuse_arguments<fuse_read_in>(asked.arguments);
  const auto from = static_cast<std::int64_t>(in.offset);
  at_offset(asked.header, in.fh, from, [this, header = asked.header, in, from](std::int64_t offset) {
    const wire::ReadRequest request{.offset_bytes = offset,
                                    .length_bytes = std::min<std::uint32_t>(in.size, FuseDevice::kDataBytesMax),
                                    .may_block = static_cast<std::uint8_t>((in.flags & O_NONBLOCK) == 0)};
    forward(header, in.fh, Opcode::kRead, request, [this, header, in, from, offset](const NodeReply& reply) {
      if (reply.body.size() > in.size) {
        answer(header.unique, EIO);
        return;
      }
      if (offset == kCurrentOffset) advance(header, in.fh, from, from + static_cast<std::int64_t>(reply.body.size()));
      answer(header.unique, 0, reply.body.view());
    });
  });
}

void KernelFiles::on_write(const Asked& asked, Buffer& request) {
  const auto in = fuse_arguments<fuse_write_in>(asked.arguments);
  request.drop_front(std::min(request.size(), sizeof(fuse_in_header) + sizeof(fuse_write_in)));
  if (request.size() != in.size) {
    answer(asked.header.unique, EIO);
    return;
  }
  const auto to = static_cast<std::int64_t>(in.offset);
  // An appending descriptor writes where the owner's file ends.
  const bool appends = (in.flags & O_APPEND) != 0;
  auto data = std::make_shared<Buffer>(std::move(request));
  auto write = [this, header = asked.header, in, to, data](std::int64_t offset) {
    const wire::WriteRequest head{.offset_bytes = offset,
                                  .may_block = static_cast<std::uint8_t>((in.flags & O_NONBLOCK) == 0)};
    QNET_CHECK(wire::encode(head, data->grow_front(wire::WriteRequest::kDataAt)).has_value());
    forward_body(header, in.fh, Opcode::kWrite, std::move(*data), [=, this](const NodeReply& reply) {
      const auto written = wire::decode<wire::WriteReply>(reply.body.view());
      if (!written || written->written_bytes > in.size) {
        answer(header.unique, EIO);
        return;
      }
      if (offset == kCurrentOffset) advance(header, in.fh, to, to + written->written_bytes);
      answer(header.unique, 0, fuse_bytes(fuse_write_out{.size = written->written_bytes}));
    });
  };
  if (appends) return write(kCurrentOffset);
  at_offset(asked.header, in.fh, to, std::move(write));
}

/// Before the closing program, or who waits for its end, goes on: the owner's offset, and the locks.
void KernelFiles::on_flush(const Asked& asked) {
  const auto in = fuse_arguments<fuse_flush_in>(asked.arguments);
  File* file = find(in.fh);
  if (file == nullptr) {
    answer(asked.header.unique, 0);
    return;
  }
  auto release_locks = [this, header = asked.header, in] {
    File* locked = find(in.fh);
    if (locked == nullptr || locked->lock_owners.erase(in.lock_owner) == 0) {
      answer(header.unique, 0);
      return;
    }
    forward(header, in.fh, Opcode::kReleaseLocks, wire::ReleaseLocksRequest{},
            [this, header](const NodeReply&) { answer(header.unique, 0); });
  };
  const std::int64_t known = file->kernel_offset;
  const std::int64_t offset = file->position ? offset_in_kernel(file->position.get()).value_or(known) : known;
  // The thread that has read or written may not have noted the new offset yet when another process closes.
  const bool may_lag = file->mover != 0 && file->mover != asked.header.pid;
  if (!may_lag) file->mover = 0;
  if (offset == known || (may_lag && offset == file->offset_before)) return release_locks();
  file->kernel_offset = offset;
  forward(asked.header, in.fh, Opcode::kSeek, wire::SeekRequest{.offset = offset, .whence = SEEK_SET},
          [release_locks](const NodeReply&) { release_locks(); });
}

// ---- attributes

void KernelFiles::answer_attributes(const fuse_in_header& header, FileId id) {
  forward(header, id, Opcode::kGetAttributes, wire::GetAttributesRequest{}, [this, header](const NodeReply& reply) {
    const auto found = wire::decode<wire::Attributes>(reply.body.view());
    if (!found) answer(header.unique, EIO);
    else answer(header.unique, 0, fuse_bytes(fuse_attr_out{.attr = to_fuse(*found)}));
  });
}

void KernelFiles::on_get_attributes(const Asked& asked) {
  const auto in = fuse_arguments<fuse_getattr_in>(asked.arguments);
  const bool names_file = (in.getattr_flags & FUSE_GETATTR_FH) != 0;
  answer_attributes(asked.header, names_file ? in.fh : find_node(asked.header.nodeid));
}

void KernelFiles::on_set_attributes(const Asked& asked) {
  const auto in = fuse_arguments<fuse_setattr_in>(asked.arguments);
  const FileId id = (in.valid & FATTR_FH) != 0 ? in.fh : find_node(asked.header.nodeid);
  auto steps = std::make_shared<std::vector<Step>>();
  if ((in.valid & FATTR_SIZE) != 0) {
    const wire::TruncateRequest size{.length_bytes = static_cast<std::int64_t>(in.size), .path = {}};
    steps->push_back({Opcode::kTruncate, encoded(size)});
  }
  if ((in.valid & (FATTR_UID | FATTR_GID)) != 0) {
    const wire::ChangeOwnerRequest owner{.user = (in.valid & FATTR_UID) != 0 ? in.uid : UINT32_MAX,
                                         .group = (in.valid & FATTR_GID) != 0 ? in.gid : UINT32_MAX};
    steps->push_back({Opcode::kChangeOwner, encoded(owner)});
  }
  if ((in.valid & FATTR_MODE) != 0) {
    steps->push_back({Opcode::kChangeMode, encoded(wire::ChangeModeRequest{.mode = in.mode & 07777})});
  }
  // A change of the size brings its times along.
  if ((in.valid & (FATTR_ATIME | FATTR_MTIME)) != 0 && (in.valid & FATTR_SIZE) == 0) {
    const auto time = [&in](std::uint32_t given, std::uint32_t given_now, std::uint64_t seconds, std::uint32_t rest) {
      if ((in.valid & given) == 0) return wire::Timestamp{.nanoseconds = UTIME_OMIT};
      if ((in.valid & given_now) != 0) return wire::Timestamp{.nanoseconds = UTIME_NOW};
      return wire::Timestamp{.seconds = static_cast<std::int64_t>(seconds), .nanoseconds = rest};
    };
    const wire::ChangeTimesRequest times{.accessed = time(FATTR_ATIME, FATTR_ATIME_NOW, in.atime, in.atimensec),
                                         .modified = time(FATTR_MTIME, FATTR_MTIME_NOW, in.mtime, in.mtimensec)};
    steps->push_back({Opcode::kChangeTimes, encoded(times)});
  }
  run_steps(asked.header, id, std::move(steps), 0);
}

void KernelFiles::run_steps(const fuse_in_header& header, FileId id, Steps steps, std::size_t next) {
  if (next == steps->size()) return answer_attributes(header, id);
  Step& step = (*steps)[next];
  forward_body(header, id, step.opcode, std::move(step.body),
               [=, this](const NodeReply&) { run_steps(header, id, steps, next + 1); });
}

void KernelFiles::on_file_system(const Asked& asked) {
  forward(asked.header, find_node(asked.header.nodeid), Opcode::kGetFileSystem, wire::GetFileSystemRequest{},
          [this, header = asked.header](const NodeReply& reply) {
            const auto found = wire::decode<wire::GetFileSystemReply>(reply.body.view());
            if (!found) {
              answer(header.unique, EIO);
              return;
            }
            const fuse_kstatfs status{.blocks = found->blocks,
                                      .bfree = found->blocks_free,
                                      .bavail = found->blocks_available,
                                      .files = found->files,
                                      .ffree = found->files_free,
                                      .bsize = static_cast<std::uint32_t>(found->block_size),
                                      .namelen = static_cast<std::uint32_t>(found->name_bytes_max),
                                      .frsize = static_cast<std::uint32_t>(found->fragment_size)};
            answer(header.unique, 0, fuse_bytes(fuse_statfs_out{.st = status}));
          });
}

void KernelFiles::on_sync(const Asked& asked) {
  const auto in = fuse_arguments<fuse_fsync_in>(asked.arguments);
  const bool is_data = (in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0;
  const wire::SyncRequest request{
      .kind = static_cast<std::uint8_t>(is_data ? wire::SyncKind::kData : wire::SyncKind::kAll)};
  forward(asked.header, in.fh, Opcode::kSync, request,
          [this, unique = asked.header.unique](const NodeReply&) { answer(unique, 0); });
}

void KernelFiles::on_allocate(const Asked& asked) {
  const auto in = fuse_arguments<fuse_fallocate_in>(asked.arguments);
  const wire::AllocateRequest request{
      .mode = in.mode, .offset = static_cast<std::int64_t>(in.offset), .length = static_cast<std::int64_t>(in.length)};
  forward(asked.header, in.fh, Opcode::kAllocate, request,
          [this, unique = asked.header.unique](const NodeReply&) { answer(unique, 0); });
}

// ---- opening anew, through /proc/self/fd/N

void KernelFiles::on_open(const Asked& asked) {
  const auto in = fuse_arguments<fuse_open_in>(asked.arguments);
  const std::uint64_t node = asked.header.nodeid;
  const FileId id = find_node(node);
  forward(asked.header, id, Opcode::kOpen, wire::OpenRequest{.flags = in.flags},
          [this, header = asked.header, id, node](const NodeReply& reply) {
            const auto opened = wire::decode<wire::OpenReply>(reply.body.view());
            const File* origin = find(id);
            if (!opened || origin == nullptr) {
              answer(header.unique, EIO);
              return;
            }
            auto file = std::make_unique<File>();
            file->key = {origin->key.node, HandleId{opened->handle}};
            file->life = origin->life;
            file->opener = caller_of(header, *origin);
            file->target = origin->target;
            file->node = node;
            file->has_offset = origin->has_offset;
            file->is_positional = true;
            const FileId fresh = next_id_++;
            const std::uint32_t open_flags = open_flags_of(*file);
            files_.emplace(fresh, std::move(file));
            device_->count_file(1);
            // Given up: no release will come.
            if (!answer(header.unique, 0, fuse_bytes(fuse_open_out{.fh = fresh, .open_flags = open_flags}))) {
              release(fresh);
            }
          });
}

// ---- locks

void KernelFiles::lock_whole(const fuse_in_header& header, const fuse_lk_in& in) {
  std::uint32_t operation = in.lk.type == F_UNLCK ? LOCK_UN : in.lk.type == F_WRLCK ? LOCK_EX : LOCK_SH;
  if (header.opcode != FUSE_SETLKW) operation |= LOCK_NB;
  const File* file = find(in.fh);
  if (LocalHandle* handle = file != nullptr ? handles_.find(file->key) : nullptr) handle->has_locks = true;
  forward(header, in.fh, Opcode::kLockWhole, wire::LockWholeRequest{.operation = operation},
          [this, unique = header.unique](const NodeReply&) { answer(unique, 0); });
}

void KernelFiles::on_lock(const Asked& asked) {
  const auto in = fuse_arguments<fuse_lk_in>(asked.arguments);
  const bool is_get = asked.header.opcode == FUSE_GETLK;
  if ((in.lk_flags & FUSE_LK_FLOCK) != 0 && !is_get) return lock_whole(asked.header, in);
  const auto command = is_get                               ? wire::LockCommand::kGet
                       : asked.header.opcode == FUSE_SETLKW ? wire::LockCommand::kSetWait
                                                            : wire::LockCommand::kSet;
  const auto first = static_cast<std::int64_t>(in.lk.start), last = static_cast<std::int64_t>(in.lk.end);
  const wire::LockRangeRequest request{.command = static_cast<std::uint8_t>(command),
                                       .type = static_cast<std::uint16_t>(in.lk.type),
                                       .whence = SEEK_SET,
                                       .start = first,
                                       .length = last == INT64_MAX ? 0 : last - first + 1};
  if (File* file = find(in.fh); file != nullptr && !is_get) file->lock_owners.insert(in.owner);
  forward(asked.header, in.fh, Opcode::kLockRange, request,
          [this, header = asked.header, is_get](const NodeReply& reply) {
            const auto found = wire::decode<wire::LockRangeReply>(reply.body.view());
            if (!found) {
              answer(header.unique, EIO);
              return;
            }
            const auto start = static_cast<std::uint64_t>(found->start);
            const fuse_file_lock lock{.start = start,
                                      .end = found->length == 0 ? std::uint64_t{INT64_MAX}
                                                                : start + static_cast<std::uint64_t>(found->length) - 1,
                                      .type = found->type,
                                      .pid = static_cast<std::uint32_t>(found->process)};
            answer(header.unique, 0, is_get ? fuse_bytes(fuse_lk_out{.lk = lock}) : ByteView());
          });
}

// ---- signals

/// Reads and writes of files are not cut short by signals. A killed program is let go after the call grace even so.
void KernelFiles::on_interrupt(const Asked& asked) {
  const auto in = fuse_arguments<fuse_interrupt_in>(asked.arguments);
  const auto found = in_flight_.find(in.unique);
  if (found == in_flight_.end()) return;  // Answered meanwhile.
  ++statistics_.interrupted;
  InFlight& request = found->second;
  const Instant at = now();
  if (request.may_wait_long) calls_.cancel(request.call, at);
  request.give_up_at = at + call_grace_;
}

std::optional<Instant> KernelFiles::deadline() const {
  std::optional<Instant> earliest;
  for (const auto& [unique, request] : in_flight_) {
    if (request.give_up_at) earliest = earliest ? std::min(*earliest, *request.give_up_at) : *request.give_up_at;
  }
  return earliest;
}

void KernelFiles::on_time(Instant at) {
  std::vector<std::uint64_t> late;
  for (auto& [unique, request] : in_flight_) {
    if (!request.give_up_at || *request.give_up_at > at) continue;
    if (request.may_wait_long || is_dying(request.thread)) late.push_back(unique);
    else request.give_up_at = at + call_grace_;
  }
  for (const std::uint64_t unique : late) {
    const InFlight request = in_flight_.at(unique);
    if (File* file = find(request.file)) file->connections = ConnectionSet();  // It is the call's own now.
    calls_.abandon(request.call, at);
    answer(unique, EINTR);
  }
}

}  // namespace qnet::agent
