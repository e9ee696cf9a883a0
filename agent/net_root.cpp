// SPDX-License-Identifier: Apache-2.0
#include "agent/net_root.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <ctime>
#include <random>
#include <utility>
#include <vector>

#include "transport/base/net_path.hpp"
#include "transport/wire/attr_ops.hpp"
#include "transport/wire/dir_ops.hpp"
#include "transport/wire/handle_name.hpp"
#include "transport/wire/xattr_ops.hpp"

namespace qnet::agent {
namespace {

using wire::Opcode;

constexpr std::uint64_t kRootInode = 1;
constexpr std::uint64_t kFileSystemType = 0x74656e71;  // "qnet"
constexpr std::int64_t kNameBytesMax = 255;

/// The paths of a request, in the order of RedirectReply::which; the second is absent in most.
struct Paths {
  std::string_view first, second;
  bool has_second = false;
};

template <class Message>
Result<Paths> one_path(ByteView body) {
  const Result<Message> request = wire::decode<Message>(body);
  if (!request) return fail(request.error());
  return Paths{.first = request->path};
}

template <class Message>
Result<Paths> two_paths(ByteView body) {
  const Result<Message> request = wire::decode<Message>(body);
  if (!request) return fail(request.error());
  return Paths{.first = request->source, .second = request->target, .has_second = true};
}

/// Empty for operations on something open.
Result<Paths> paths_of(Opcode opcode, ByteView body) {
  switch (opcode) {
    case Opcode::kOpen:
      return one_path<wire::OpenRequest>(body);
    case Opcode::kGetAttributes:
      return one_path<wire::GetAttributesRequest>(body);
    case Opcode::kCheckAccess:
      return one_path<wire::CheckAccessRequest>(body);
    case Opcode::kReadLink:
      return one_path<wire::ReadLinkRequest>(body);
    case Opcode::kResolvePath:
      return one_path<wire::ResolvePathRequest>(body);
    case Opcode::kMakeDirectory:
      return one_path<wire::MakeDirectoryRequest>(body);
    case Opcode::kMakeNode:
      return one_path<wire::MakeNodeRequest>(body);
    case Opcode::kMakeSymlink:
      return one_path<wire::MakeSymlinkRequest>(body);
    case Opcode::kLink:
      return two_paths<wire::LinkRequest>(body);
    case Opcode::kUnlink:
      return one_path<wire::UnlinkRequest>(body);
    case Opcode::kRename:
      return two_paths<wire::RenameRequest>(body);
    case Opcode::kChangeMode:
      return one_path<wire::ChangeModeRequest>(body);
    case Opcode::kChangeOwner:
      return one_path<wire::ChangeOwnerRequest>(body);
    case Opcode::kChangeTimes:
      return one_path<wire::ChangeTimesRequest>(body);
    case Opcode::kTruncate:
      return one_path<wire::TruncateRequest>(body);
    case Opcode::kGetFileSystem:
      return one_path<wire::GetFileSystemRequest>(body);
    case Opcode::kGetPathLimit:
      return one_path<wire::GetPathLimitRequest>(body);
    case Opcode::kGetXattr:
      return one_path<wire::GetXattrRequest>(body);
    case Opcode::kSetXattr:
      return one_path<wire::SetXattrRequest>(body);
    case Opcode::kListXattr:
      return one_path<wire::ListXattrRequest>(body);
    case Opcode::kRemoveXattr:
      return one_path<wire::RemoveXattrRequest>(body);
    default:
      return Paths{};
  }
}

bool creates(Opcode opcode, ByteView body) {
  switch (opcode) {
    case Opcode::kMakeDirectory:
    case Opcode::kMakeNode:
    case Opcode::kMakeSymlink:
      return true;
    case Opcode::kOpen: {
      const auto request = wire::decode<wire::OpenRequest>(body);
      return request && (request->flags & O_CREAT) != 0;
    }
    default:
      return false;
  }
}

std::uint64_t inode_of(std::string_view name) {
  return std::hash<std::string_view>()(name) | 2;
}

NodeReply redirect(std::uint8_t which, bool is_local, std::string_view path) {
  if (path.size() > wire::kPathBytesMax) return failed(ENAMETOOLONG);
  NodeReply reply = done<wire::kPathBytesMax + 16>(
      wire::RedirectReply{.which = which, .is_local = static_cast<std::uint8_t>(is_local), .path = path});
  reply.error = wire::kErrorRedirect;
  return reply;
}

}  // namespace

NetRoot::NetRoot(const PeerTable& nodes, std::string prefix)
    : nodes_(nodes), prefix_(std::move(prefix)), started_s_(time(nullptr)) {}

int NetRoot::error_for_missing(Opcode opcode, ByteView body) {
  const Result<Paths> paths = paths_of(opcode, body);
  if (!paths) return EPROTO;
  if (creates(opcode, body)) return paths->first.empty() ? EROFS : ENOENT;
  return ENOENT;
}

bool NetRoot::changes_entry(Opcode opcode, const wire::RequestHeader& header, ByteView body) {
  if (opcode != Opcode::kUnlink && opcode != Opcode::kRename) return false;
  const Result<Paths> paths = paths_of(opcode, body);
  if (!paths) return false;
  const auto is_entry = [](std::uint64_t handle, std::string_view path) {
    return handle == 0 && path.find_first_not_of('/') == std::string_view::npos;
  };
  return is_entry(header.handle, paths->first) || (paths->has_second && is_entry(header.second_handle, paths->second));
}

NodeReply NetRoot::answer(const wire::RequestHeader& header, ByteView body) {
  const auto opcode = static_cast<Opcode>(header.opcode);
  if (!wire::is_known(opcode)) return failed(EOPNOTSUPP);
  const Result<Paths> paths = paths_of(opcode, body);
  if (!paths) return failed(EPROTO);

  const bool is_link = opcode == Opcode::kLink || opcode == Opcode::kRename;
  if (auto reply = lead_away(paths->first, 0)) {
    const bool is_new_name =
        creates(opcode, body) && wire::errno_from_wire(reply->error) == ENOENT &&
        paths->first.substr(0, paths->first.find_last_not_of('/') + 1).find('/', 1) == std::string_view::npos;
    return is_new_name ? failed(EROFS) : std::move(*reply);
  }
  if (is_link) {
    if (auto reply = lead_away(paths->second, 1); reply && reply->error == wire::kErrorRedirect) {
      return std::move(*reply);
    }
    return failed(EROFS);
  }
  const auto opened = open_.find(header.handle);
  if (header.handle != 0 && opened == open_.end()) return failed(ESTALE);
  return answer_at_root(opcode, opened == open_.end() ? nullptr : &opened->second, body);
}

std::optional<NodeReply> NetRoot::lead_away(std::string_view path, std::uint8_t which) const {
  for (std::size_t at = 0;;) {
    at = path.find_first_not_of('/', at);
    if (at == std::string_view::npos) return std::nullopt;
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, end - at);
    const std::string_view rest = path.substr(end);
    if (name == ".") {
      at = end;
      continue;
    }
    if (name == "..") {
      const std::string above = prefix_.substr(0, prefix_.rfind('/'));
      const std::string local = above + std::string(rest);
      return redirect(which, true, local.empty() ? "/" : local);
    }
    if (!nodes_.find(split_target(name).node)) return failed(ENOENT);
    return redirect(which, false, "/" + std::string(name) + std::string(rest));
  }
}

NodeReply NetRoot::answer_at_root(Opcode opcode, OpenRoot* opened, ByteView body) {
  switch (opcode) {
    case Opcode::kOpen:
      return answer_open(body);
    case Opcode::kGetAttributes:
      return done(attributes());
    case Opcode::kGetFileSystem:
      return file_system();
    case Opcode::kGetPathLimit:
      return path_limit(body);
    case Opcode::kResolvePath:
      return done(wire::ResolvePathReply{.path = "/"});
    case Opcode::kReadLink:
      return failed(EINVAL);
    case Opcode::kCheckAccess: {
      const auto request = wire::decode<wire::CheckAccessRequest>(body);
      return (request->mode & W_OK) != 0 ? failed(EROFS) : NodeReply();
    }
    case Opcode::kMakeDirectory:
    case Opcode::kMakeNode:
    case Opcode::kMakeSymlink:
      return failed(EEXIST);
    case Opcode::kTruncate:
      return failed(EISDIR);
    case Opcode::kUnlink:
    case Opcode::kChangeMode:
    case Opcode::kChangeOwner:
    case Opcode::kChangeTimes:
    case Opcode::kSetXattr:
    case Opcode::kRemoveXattr:
      return failed(EROFS);
    case Opcode::kGetXattr:
    case Opcode::kListXattr:
      return failed(EOPNOTSUPP);
    default:
      break;
  }
  // What is left acts on something open.
  if (opened == nullptr) return failed(EBADF);
  if ((opened->flags & O_PATH) != 0 && opcode != Opcode::kGetFlags) return failed(EBADF);
  switch (opcode) {
    case Opcode::kReadDirectory:
      return read_directory(*opened, body);
    case Opcode::kSeek:
      return seek(*opened, body);
    case Opcode::kRead:
      return failed(EISDIR);
    case Opcode::kWrite:
    case Opcode::kAllocate:
      return failed(EBADF);
    case Opcode::kGetFlags:
      return done(wire::GetFlagsReply{.flags = opened->flags});
    case Opcode::kSetFlags:
    case Opcode::kSync:
    case Opcode::kAdvise:
    case Opcode::kReleaseLocks:
      return {};
    case Opcode::kLockWhole:
    case Opcode::kLockRange:
      return failed(ENOLCK);
    case Opcode::kPoll: {
      const auto request = wire::decode<wire::PollRequest>(body);
      if (!request) return failed(EPROTO);
      return done(wire::PollReply{.events = request->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)});
    }
    default:
      return failed(EOPNOTSUPP);
  }
}

NodeReply NetRoot::answer_open(ByteView body) {
  const auto request = wire::decode<wire::OpenRequest>(body);
  const std::uint32_t flags = request->flags;
  const bool is_path = (flags & O_PATH) != 0;
  if (!is_path) {
    if ((flags & O_TMPFILE) == O_TMPFILE) return failed(EROFS);
    if ((flags & O_CREAT) != 0) return failed((flags & O_EXCL) != 0 ? EEXIST : EISDIR);
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0) return failed(EISDIR);
  }
  static std::random_device random;
  std::uint64_t handle = 0;
  while (handle == 0 || open_.contains(handle)) handle = std::uint64_t{random()} << 32 | random();
  open_[handle] = {.flags = flags & (O_DIRECTORY | O_LARGEFILE | O_NONBLOCK | O_PATH | O_NOFOLLOW | O_NOATIME)};
  const auto kind = is_path ? wire::HandleKind::kPath : wire::HandleKind::kDirectory;
  return done(wire::OpenReply{.handle = handle, .kind = static_cast<std::uint8_t>(kind), .attributes = attributes()});
}

/// Positions: 0 ".", 1 "..", then the nodes in order.
NodeReply NetRoot::read_directory(OpenRoot& opened, ByteView body) const {
  const auto request = wire::decode<wire::ReadDirectoryRequest>(body);
  if (!request) return failed(EPROTO);
  std::vector<std::pair<std::string_view, std::uint64_t>> entries{{".", kRootInode}, {"..", kRootInode}};
  for (const NodeInfo* node : nodes_.all()) entries.emplace_back(node->name, inode_of(node->name));

  NodeReply reply{.body = Buffer(request->length_bytes)};
  std::size_t filled = 0;
  const auto count = static_cast<std::int64_t>(entries.size());
  while (opened.position < count) {
    const auto& [name, inode] = entries[static_cast<std::size_t>(opened.position)];
    const wire::DirectoryEntry entry{.inode = inode, .next = opened.position + 1, .type = DT_DIR, .name = name};
    wire::Writer out(reply.body.bytes().subspan(filled));
    wire::put_field(out, entry);
    if (request->with_attributes != 0) wire::put_field(out, wire::Attributes());
    if (out.has_failed()) break;
    filled += out.written_bytes();
    ++opened.position;
  }
  reply.body.truncate(filled);
  return reply;
}

NodeReply NetRoot::seek(OpenRoot& opened, ByteView body) const {
  const auto request = wire::decode<wire::SeekRequest>(body);
  if (!request) return failed(EPROTO);
  std::int64_t position = request->offset;
  if (request->whence == SEEK_CUR) position += opened.position;
  else if (request->whence != SEEK_SET) return failed(EINVAL);
  if (position < 0) return failed(EINVAL);
  opened.position = position;
  return done(wire::SeekReply{.offset = position});
}

NodeReply NetRoot::file_system() const {
  return done(wire::GetFileSystemReply{.type = kFileSystemType,
                                       .block_size = 4096,
                                       .files = nodes_.all().size(),
                                       .name_bytes_max = kNameBytesMax,
                                       .fragment_size = 4096,
                                       .flags = ST_RDONLY});
}

NodeReply NetRoot::path_limit(ByteView body) const {
  const auto request = wire::decode<wire::GetPathLimitRequest>(body);
  switch (request->name) {
    case _PC_NAME_MAX:
      return done(wire::GetPathLimitReply{.value = kNameBytesMax});
    case _PC_PATH_MAX:
    case _PC_PIPE_BUF:
      return done(wire::GetPathLimitReply{.value = 4096});
    case _PC_LINK_MAX:
      return done(wire::GetPathLimitReply{.value = INT32_MAX});
    case _PC_CHOWN_RESTRICTED:
    case _PC_NO_TRUNC:
      return done(wire::GetPathLimitReply{.value = 1});
    default:
      return request->name <= _PC_2_SYMLINKS ? done(wire::GetPathLimitReply{.value = -1}) : failed(EINVAL);
  }
}

wire::Attributes NetRoot::attributes() const {
  const wire::Timestamp started{.seconds = started_s_};
  return {.mask = STATX_BASIC_STATS,
          .block_size = 4096,
          .link_count = static_cast<std::uint32_t>(2 + nodes_.all().size()),
          .mode = S_IFDIR | 0555,
          .inode = kRootInode,
          .accessed = started,
          .changed = started,
          .modified = started};
}

}  // namespace qnet::agent
