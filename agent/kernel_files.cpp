// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_files.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "agent/fuse_attributes.hpp"

namespace qnet::agent {

namespace {

constexpr std::size_t kBodyBytesMax = 256;  // of a request without data or path

/// What of the handle's flags its kernel descriptor has.
constexpr int kFlagsKept = O_ACCMODE | O_APPEND | O_NONBLOCK;

/// sendfile(2) and splice(2) take what they read from the owner, too, and not from the page cache.
constexpr int kUncached = O_DIRECT;

bool is_regular(wire::HandleKind kind) {
  return kind == wire::HandleKind::kFile;
}

/// 0 if there can be a kernel descriptor.
int why_not(wire::HandleKind kind) {
  if (kind == wire::HandleKind::kDirectory) return EISDIR;
  return kind == wire::HandleKind::kPath ? EBADF : 0;
}

/// The kernel's file is in it, without being held open by it.
Result<UniqueFd> make_position(int fd) {
  UniqueFd set(epoll_create1(EPOLL_CLOEXEC));
  if (!set) return fail_errno("epoll_create1");
  epoll_event event{.events = 0, .data = {.u64 = 0}};
  if (epoll_ctl(set.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll_ctl");
  return set;
}

}  // namespace

KernelFiles::KernelFiles(core::Engine& engine, NodeCalls& calls, LocalHandles& handles, const PeerTable& nodes,
                         Duration call_grace)
    : engine_(engine), calls_(calls), handles_(handles), nodes_(nodes), call_grace_(call_grace) {}

std::uint32_t KernelFiles::open_flags_of(const File& file) {
  return file.has_offset ? FOPEN_DIRECT_IO : FOPEN_DIRECT_IO | FOPEN_STREAM | FOPEN_NONSEEKABLE;
}

// ---- calls

Status KernelFiles::start_call(File& file, wire::Opcode opcode, const wire::Caller& caller, Buffer body,
                               OnReply on_reply, RequestId* started) {
  const Instant at = now();
  if (const auto life = calls_.life_of(file.key.node, file.life); !life) return fail(life.error());
  NodeCalls::Call call{.node = file.key.node,
                       .life = file.life,
                       .header = {.opcode = static_cast<std::uint16_t>(opcode), .handle = file.key.handle.value},
                       .caller = &caller,
                       .body = std::move(body),
                       .on_reply = std::move(on_reply)};
  if (file.key.node.is_peer()) {
    const Result<ConnectionId> connection =
        file.connections.get(engine_, file.key.node.peer_id(), file.life, split_target(file.target), at);
    if (!connection) return fail(connection.error());
    call.connection = *connection;
  }
  const Result<RequestId> request = calls_.start(std::move(call), at);
  if (!request) return fail(request.error());
  if (started != nullptr) *started = *request;
  return {};
}

template <class Request>
Status KernelFiles::ask(File& file, wire::Opcode opcode, const Request& request, OnReply on_reply) {
  std::array<std::byte, kBodyBytesMax> bytes;
  const Result<ByteView> body = wire::encode(request, bytes);
  QNET_CHECK(body.has_value());
  return start_call(file, opcode, file.opener, Buffer(*body), std::move(on_reply), nullptr);
}

// ---- making a descriptor: what the owner knows of the handle, then the kernel's file

void KernelFiles::give(LocalSession& session, const HandleKey& key, LocalRequest request) {
  if (!wire::decode<wire::GetKernelDescriptorRequest>(request.body.view())) return session.reply(failed(EPROTO));
  if (!is_available()) return session.reply(failed(EOPNOTSUPP));
  if (files_.size() + giving_.size() >= kFilesMax) return session.reply(failed(ENFILE));
  const LocalHandle& handle = *handles_.find(key);
  if (const int error = why_not(handle.kind); error != 0) return session.reply(failed(error));

  auto file = std::make_unique<File>();
  file->key = key;
  file->life = handle.life;
  file->opener = handle.opener;
  file->target = session.target();
  file->share = std::move(request.descriptor);
  file->has_offset = is_regular(handle.kind);
  const std::uint64_t number = giving_.insert({.session = &session, .file = std::move(file)});
  if (number == 0) return session.reply(failed(EAGAIN));
  Giving& giving = *giving_.find(number);
  ++giving.waits_for;  // Until all have been asked.
  ask_for<wire::GetFlagsReply>(number, wire::Opcode::kGetFlags, wire::GetFlagsRequest{},
                               [](Giving& given, const auto& reply) { given.flags = reply.flags; });
  ask_for<wire::Attributes>(number, wire::Opcode::kGetAttributes, wire::GetAttributesRequest{},
                            [](Giving& given, const auto& reply) { given.attributes = reply; });
  if (giving.file->has_offset) {
    ask_for<wire::SeekReply>(number, wire::Opcode::kSeek, wire::SeekRequest{.whence = SEEK_CUR},
                             [](Giving& given, const auto& reply) { given.offset = reply.offset; });
  }
  if (--giving.waits_for == 0) finish_giving(number);
}

/// Asks the owner and lets `take` note the answer; the last one finishes.
template <class Reply, class Request, class Take>
void KernelFiles::ask_for(std::uint64_t number, wire::Opcode opcode, const Request& request, Take take) {
  Giving& giving = *giving_.find(number);
  auto on_reply = [this, number, take](const NodeReply& reply) {
    Giving& asking = *giving_.find(number);
    const auto found = wire::decode<Reply>(reply.body.view());
    if (reply.error == 0 && found) take(asking, *found);
    else asking.error = reply.error == 0 ? EIO : wire::errno_from_wire(reply.error);
    if (--asking.waits_for == 0) finish_giving(number);
  };
  const Status started = ask(*giving.file, opcode, request, std::move(on_reply));
  if (started) ++giving.waits_for;
  else giving.error = started.error().code;
}

void KernelFiles::on_closed(const LocalSession& session) {
  if (giving_.size() == 0) return;
  const auto is_his = [&](const Giving& giving) { return giving.session == &session; };
  for (const std::uint64_t number : giving_.numbers_if(is_his)) giving_.find(number)->session = nullptr;
}

void KernelFiles::fail_giving(std::uint64_t number, int error) {
  const std::optional<Giving> giving = giving_.take(number);
  if (!giving) return;
  if (giving->file) giving->file->connections.close_all(engine_, now());
  if (giving->session != nullptr) giving->session->reply(failed(error));
}

void KernelFiles::finish_giving(std::uint64_t number) {
  Giving& giving = *giving_.find(number);
  if (giving.error != 0) return fail_giving(number, giving.error);
  if (giving.session == nullptr) return fail_giving(number, EINTR);
  Result<UniqueFd> descriptor = make_descriptor(giving);
  if (!descriptor) return fail_giving(number, descriptor.error().code);
  const std::optional<Giving> given = giving_.take(number);
  ++statistics_.opened;
  given->session->reply({}, std::move(*descriptor));
}

Result<UniqueFd> KernelFiles::make_descriptor(Giving& giving) {
  File& file = *giving.file;
  const FileId id = next_id_++;
  file.node = id;
  // From here on the kernel tells when nobody has the file any more, if it has been opened at all.
  File& kept = *files_.emplace(id, std::move(giving.file)).first->second;
  Result<UniqueFd> descriptor = device_->open(
      {.node = kept.node, .file = id, .open_flags = open_flags_of(kept), .attributes = to_fuse(giving.attributes)},
      (static_cast<int>(giving.flags) & kFlagsKept) | kUncached);
  if (!descriptor) {
    giving.file = std::move(files_.at(id));
    files_.erase(id);
    return descriptor;
  }
  device_->count_file(1);
  if (!kept.has_offset) return descriptor;
  Result<UniqueFd> position = make_position(descriptor->get());
  if (!position || lseek(descriptor->get(), giving.offset, SEEK_SET) != giving.offset) {
    return fail(position ? EIO : position.error().code, "position");
  }
  kept.position = std::move(*position);
  kept.kernel_offset = giving.offset;
  return descriptor;
}

// ---- the end

void KernelFiles::release(FileId id) {
  const auto found = files_.find(id);
  if (found == files_.end()) return;
  const Instant at = now();
  File& file = *found->second;
  file.connections.close_all(engine_, at);
  if (!file.share) {
    calls_.insist({file.key.node, file.life, wire::Opcode::kClose, file.key.handle, file.opener, "last-close"}, nullptr,
                  at);
  }
  files_.erase(found);
  device_->count_file(-1);
}

}  // namespace qnet::agent
