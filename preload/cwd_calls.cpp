// SPDX-License-Identifier: Apache-2.0
//
// cwd_calls.cpp: where the process is, and where paths really lead.
//
// Below the prefix the kernel's working directory is a deleted directory that the agent made, whose path ends with the
// virtual one: stray relative names find nothing, and every later program can read from /proc/self/cwd where it is.
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/remote_program.hpp"
#include "preload/working_directory.hpp"
#include "transport/base/net_path.hpp"

extern "C" [[noreturn]] void __chk_fail();

namespace qnet::preload {
namespace {

using wire::Opcode;

/// A directory on a node, as the owner has it open and calls it.
struct Directory {
  std::string_view target, path;
  HandleId handle;  ///< none: the list of nodes
  int fd = -1;      ///< of the handle
};

/// A descriptor that works as a working directory there.
Result<int> open_shadow(const Directory& directory, client::Exchange& exchange) {
  char text[Routed::kTextBytes];
  std::size_t size = 0;
  const auto put = [&](std::string_view part) {
    if (size + part.size() > sizeof text) return;
    std::memcpy(text + size, part.data(), part.size());
    size += part.size();
  };
  put(state().prefix);
  if (!directory.target.empty()) {
    put("/");
    put(directory.target);
  }
  if (directory.path != "/") put(directory.path);
  client::CallOptions options;
  options.send_fd = directory.fd;
  const wire::EnterDirectoryRequest request{{text, size}};
  const client::Place place{directory.target, directory.handle, {}};
  const auto entered =
      client::call<wire::EnterDirectoryReply>(Opcode::kEnterDirectory, place, request, exchange, options);
  if (!entered) return fail(entered.error());
  if (exchange.received_fd < 0) return fail(EIO, "chdir: no descriptor");
  return exchange.received_fd;
}

Result<int> enter(const Directory& directory, client::Exchange& exchange) {
  const Result<int> shadow = open_shadow(directory, exchange);
  if (!shadow) return shadow;
  const long moved = raw_syscall(SYS_fchdir, *shadow);
  raw_syscall(SYS_close, *shadow);
  if (moved < 0) return fail(static_cast<int>(-moved), "fchdir");
  forget_working_directory();
  return 0;
}

/// The name of the directory at `place`, which the caller may search, in `text` of kPathBytesMax.
Result<std::string_view> resolve_directory(const client::Place& place, int prove_fd, client::Exchange& exchange,
                                           char* text) {
  client::CallOptions options;
  options.prove_fd = prove_fd;
  const wire::ResolvePathRequest request{wire::kResolveDirectory | wire::kResolveSearch, place.path};
  const auto resolved = client::call<wire::ResolvePathReply>(Opcode::kResolvePath, place, request, exchange, options);
  if (!resolved) return fail(resolved.error());
  return std::string_view(text, resolved->path.copy(text, wire::kPathBytesMax));
}

/// `use` is enter() or open_shadow().
template <class Use>
Result<int> with_open_directory(Directory directory, client::Exchange& exchange, Use&& use) {
  char text[wire::kPathBytesMax];
  const client::Place place{directory.target, directory.handle, {}};
  const Result<std::string_view> path = resolve_directory(place, directory.fd, exchange, text);
  if (!path) return fail(path.error());
  directory.path = *path;
  return use(directory, exchange);
}

template <class Use>
Result<int> with_directory(const Routed& routed, client::Exchange& exchange, Use&& use) {
  const client::Place& place = routed.place;
  if (place.target.empty()) {
    char text[wire::kPathBytesMax];
    const Result<std::string_view> path = resolve_directory(place, routed.prove_fd, exchange, text);
    if (!path) return fail(path.error());
    return use(Directory{.target = {}, .path = *path, .handle = {}}, exchange);
  }
  const bool is_open = !place.handle.is_none() && place.path.empty();
  if (is_open) return with_open_directory({place.target, {}, place.handle, routed.prove_fd}, exchange, use);
  wire::OpenRequest request;
  request.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  request.path = place.path;
  const auto opened = ask_path<wire::OpenReply>(routed, Opcode::kOpen, request, exchange);
  if (!opened) return fail(opened.error());
  const int fd = exchange.received_fd;
  if (fd < 0) return fail(EIO, "chdir: no descriptor");
  const Result<int> used = with_open_directory({place.target, {}, HandleId{opened->handle}, fd}, exchange, use);
  raw_syscall(SYS_close, fd);
  return used;
}

Result<int> enter_routed(const Routed& routed, client::Exchange& exchange) {
  return with_directory(routed, exchange, enter);
}

/// What the application sees of an object on a node. Nothing if it would be too long.
std::string_view name_of(std::string_view target, std::string_view path_on_node, char* text) {
  return visible_path_on(target, path_on_node, text);
}

/// The name of the open thing behind a remote descriptor.
Result<std::size_t> name_of_descriptor(const RemoteFd& file, char* text) {
  if (file.error != 0) return fail(file.error, "handle");
  const Scratch<client::Exchange> exchange;
  if (!exchange) return fail(ENOMEM, "name");
  client::CallOptions options;
  options.prove_fd = file.fd;
  const auto resolved =
      client::call<wire::ResolvePathReply>(Opcode::kResolvePath, client::Place{file.target(), file.handle, {}},
                                           wire::ResolvePathRequest{}, *exchange, options);
  if (!resolved) return fail(resolved.error());
  const std::size_t size = name_of(file.target(), resolved->path, text).size();
  if (size == 0) return fail(ENAMETOOLONG, "name");
  return size;
}

int last_number(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.empty() || name.size() > 6 || name.find_first_not_of("0123456789") != std::string_view::npos) return -1;
  int number = 0;
  for (const char digit : name) number = number * 10 + (digit - '0');
  return number;
}

/// A link in /proc that shows what is behind our back: the socket of a remote descriptor, the deleted directory of a
/// virtual working directory. `whole` is what the kernel says (not cut off). Returns the length of the better text, or
/// 0.
__attribute__((noinline)) std::size_t improve_link(std::string_view path, std::string_view whole, char* text) {
  constexpr std::string_view kSocket = "socket:[";
  constexpr std::string_view kDeleted = " (deleted)";
  if (whole.starts_with(kSocket)) {
    const int fd = last_number(path);
    RemoteFd file;
    struct stat status;
    if (fd < 0 || !find_remote(fd, file) || raw_syscall(SYS_fstat, fd, &status) != 0) return 0;
    // The descriptor of another process may have the same number, but not the same socket.
    const Decimal inode(static_cast<long>(status.st_ino));
    if (!whole.substr(kSocket.size()).starts_with(std::string_view(inode))) return 0;
    const Result<std::size_t> size = name_of_descriptor(file, text);
    return size ? *size : 0;
  }
  if (take_program_mark(whole)) return whole.copy(text, whole.size());
  const std::size_t mark = whole.rfind(wire::kWorkingDirectoryMark);
  if (mark == std::string_view::npos || !whole.ends_with(kDeleted)) return 0;
  whole.remove_suffix(kDeleted.size());
  whole.remove_prefix(mark + wire::kWorkingDirectoryMark.size());
  const std::size_t slash = whole.find('/');
  if (slash == std::string_view::npos) return 0;
  whole.remove_prefix(slash);
  if (!whole.starts_with(state().prefix)) return 0;
  const std::string_view visible = visible_path(whole, text);
  if (visible.data() != text) std::memmove(text, visible.data(), visible.size());
  return visible.size();
}

bool may_need_improvement(const char* content, ssize_t size) {
  const std::string_view text(content, static_cast<std::size_t>(size));
  return text.starts_with("socket:[") || text.starts_with("/memfd:") ||
         text.find("/.qnet-cwd/") != std::string_view::npos;
}

/// After a local readlink that gave `size` bytes in `buffer`.
__attribute__((noinline)) ssize_t show_better_link(int dirfd, const char* path, char* buffer, ssize_t size,
                                                   std::size_t room) {
  const KeepErrno keep;
  char whole[4096], better[4096];
  const long got = raw_syscall(SYS_readlinkat, dirfd, path, whole, sizeof whole);
  if (got <= 0) return size;
  const std::size_t better_size = improve_link(path, {whole, static_cast<std::size_t>(got)}, better);
  if (better_size == 0) return size;
  const std::size_t shown = better_size < room ? better_size : room;
  std::memcpy(buffer, better, shown);
  return static_cast<ssize_t>(shown);
}

ssize_t finish_local_link(int dirfd, const char* path, char* buffer, ssize_t size, std::size_t room) {
  if (size <= 0 || !is_started() || !may_need_improvement(buffer, size)) return size;
  return show_better_link(dirfd, path, buffer, size, room);
}

template <class Local>
ssize_t read_link(int dirfd, const char* path, char* buffer, std::size_t room, Local&& local) {
  return by_path(
      dirfd, path, LastLink::kKeep,
      [&](int at, const char* local_path) {
        return finish_local_link(at, local_path, buffer, local(at, local_path), room);
      },
      [&](const Routed& routed, client::Exchange& exchange) -> Result<std::size_t> {
        if (room == 0) return fail(EINVAL, "readlink");
        const auto reply = ask_path<wire::ReadLinkReply>(routed, Opcode::kReadLink,
                                                         wire::ReadLinkRequest{routed.place.path}, exchange);
        if (!reply) return fail(reply.error());
        return reply->content.copy(buffer, room);
      });
}

Result<std::size_t> read_open_link(const RemoteFd& link, char* buffer, std::size_t room) {
  if (room == 0) return fail(EINVAL, "readlinkat");
  if (link.error != 0) return fail(link.error, "readlinkat");
  client::Exchange exchange;
  client::CallOptions options;
  options.prove_fd = link.fd;
  const auto reply = client::call<wire::ReadLinkReply>(Opcode::kReadLink, client::Place{link.target(), link.handle, {}},
                                                       wire::ReadLinkRequest{}, exchange, options);
  if (!reply) return fail(reply.error());
  return reply->content.copy(buffer, room);
}

/// `name` as getcwd(3) and realpath(3) return it: in `buffer`, or allocated if there is none. `room` 0 with no buffer:
/// as much as needed.
char* give_name(std::string_view name, char* buffer, std::size_t room) {
  if (buffer == nullptr && room == 0) room = name.size() + 1;
  if (name.size() + 1 > room) {
    errno = ERANGE;
    return nullptr;
  }
  if (buffer == nullptr) buffer = static_cast<char*>(::malloc(room));
  if (buffer == nullptr) return nullptr;
  std::memcpy(buffer, name.data(), name.size());
  buffer[name.size()] = '\0';
  return buffer;
}

bool is_local_here() {
  return !is_started() || state().working_directory.load(std::memory_order_relaxed) == WorkingDirectory::kLocal;
}

/// What the working directory is called now, for the application; as long as its owner does not answer, what it was
/// called when it was entered. Nothing if it is local. Errors: ENOENT when it has been removed.
Result<std::string_view> name_of_working_directory(char* text) {
  struct Work {
    char here[4096];
    client::Exchange exchange;
  };
  const Scratch<Work> work;
  if (!work) return fail(ENOMEM, "getcwd");
  HandleId handle;
  const std::string_view here = real_working_directory(work->here, handle);
  if (here.empty()) return here;
  const std::string_view target = parse_net_path(here, state().prefix).target;
  if (!handle.is_none()) {
    client::CallOptions options;
    options.prove_fd = client::kProveByWorkingDirectory;
    const auto found = client::call<wire::ResolvePathReply>(Opcode::kResolvePath, client::Place{target, handle, {}},
                                                            wire::ResolvePathRequest{wire::kResolveLinked, {}},
                                                            work->exchange, options);
    if (found) return name_of(target, found->path, text);
    if (found.error().code == ENOENT) return fail(ENOENT, "getcwd");
  }
  const std::string_view visible = visible_path(here, text);
  return std::string_view(text, visible.data() == text ? visible.size() : visible.copy(text, visible.size()));
}

__attribute__((noinline)) char* virtual_getcwd(char* buffer, std::size_t room) {
  char text[4096];
  const Result<std::string_view> name = name_of_working_directory(text);
  if (!name) {
    errno = name.error().code;
    return nullptr;
  }
  const std::string_view here = *name;
  if (here.empty()) return libc().getcwd(buffer, room);
  if (buffer != nullptr && room == 0) {
    errno = EINVAL;
    return nullptr;
  }
  return give_name(here, buffer, room);
}

__attribute__((noinline)) int enter_descriptor(const RemoteFd& file) {
  if (file.error != 0) return refuse(file.error);
  struct Work {
    Routed routed;
    client::Exchange exchange;
  };
  const Scratch<Work> work;
  if (!work) return refuse(ENOMEM);
  work->routed.place = {file.target(), file.handle, ""};
  work->routed.prove_fd = file.fd;
  return finish_remote<int>(enter_routed(work->routed, work->exchange));
}

__attribute__((noinline)) char* virtual_directory_name() {
  char text[4096];
  if (virtual_working_directory(text).empty()) return libc().get_current_dir_name();
  const char* const shown = ::getenv("PWD");
  struct stat here, there;
  if (shown != nullptr && *shown == '/' && qnet_stat(".", &here) == 0 && qnet_stat(shown, &there) == 0 &&
      here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
    return give_name(shown, nullptr, 0);
  }
  return qnet_getcwd(nullptr, 0);
}

}  // namespace

int open_working_directory(const char* path) {
  return by_path(
      AT_FDCWD, path, LastLink::kFollow,
      [](int, const char* local) { return libc().open(local, O_PATH | O_DIRECTORY | O_CLOEXEC, 0); },
      [](const Routed& routed, client::Exchange& exchange) { return with_directory(routed, exchange, open_shadow); });
}

}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_chdir(const char* path) {
  return by_path(
      AT_FDCWD, path, LastLink::kFollow,
      [](int, const char* local) {
        const int result = libc().chdir(local);
        if (result == 0) forget_working_directory();
        return result;
      },
      [](const Routed& routed, qnet::client::Exchange& exchange) { return enter_routed(routed, exchange); });
}

extern "C" int qnet_fchdir(int fd) {
  RemoteFd file;
  if (!may_be_remote(fd) || !find_remote(fd, file)) {
    const int result = libc().fchdir(fd);
    if (result == 0) forget_working_directory();
    return result;
  }
  return enter_descriptor(file);
}

extern "C" char* qnet_getcwd(char* buffer, size_t room) {
  return is_local_here() ? libc().getcwd(buffer, room) : virtual_getcwd(buffer, room);
}

extern "C" char* qnet___getcwd_chk(char* buffer, size_t room, size_t object_room) {
  if (room > object_room) __chk_fail();
  return qnet_getcwd(buffer, room);
}

extern "C" char* qnet_getwd(char* buffer) {
  if (buffer == nullptr) {
    errno = EINVAL;
    return nullptr;
  }
  return qnet_getcwd(buffer, 4096);
}

extern "C" char* qnet___getwd_chk(char* buffer, size_t object_room) {
  char text[4096];
  if (buffer == nullptr || qnet_getcwd(text, sizeof text) == nullptr) return nullptr;
  if (std::strlen(text) + 1 > object_room) __chk_fail();
  return std::strcpy(buffer, text);
}

extern "C" char* qnet_get_current_dir_name() {
  return is_local_here() ? libc().get_current_dir_name() : virtual_directory_name();
}

extern "C" char* qnet_realpath(const char* path, char* resolved) {
  char* result = nullptr;
  const int done = by_path(
      AT_FDCWD, path, LastLink::kFollow,
      [&](int, const char* local) {
        result = libc().realpath(local, resolved);
        return result != nullptr ? 0 : -1;
      },
      [&](const Routed& routed, qnet::client::Exchange& exchange) -> qnet::Result<int> {
        const auto reply = ask_path<qnet::wire::ResolvePathReply>(
            routed, qnet::wire::Opcode::kResolvePath, qnet::wire::ResolvePathRequest{0, routed.place.path}, exchange);
        if (!reply) return qnet::fail(reply.error());
        char text[4096];
        const std::string_view name = name_of(routed.place.target, reply->path, text);
        if (name.empty()) return qnet::fail(ENAMETOOLONG, "realpath");
        result = give_name(name, resolved, resolved != nullptr ? 4096 : 0);
        if (result == nullptr) return qnet::fail(ENOMEM, "realpath");
        return 0;
      });
  return done == 0 ? result : nullptr;
}

extern "C" char* qnet___realpath_chk(const char* path, char* resolved, size_t object_room) {
  if (object_room < 4096) __chk_fail();
  return qnet_realpath(path, resolved);
}

extern "C" char* qnet_canonicalize_file_name(const char* path) {
  return qnet_realpath(path, nullptr);
}

extern "C" ssize_t qnet_readlink(const char* path, char* buffer, size_t room) {
  return read_link(AT_FDCWD, path, buffer, room,
                   [=](int, const char* local) { return libc().readlink(local, buffer, room); });
}

extern "C" ssize_t qnet_readlinkat(int dirfd, const char* path, char* buffer, size_t room) {
  if (path != nullptr && *path == '\0' && is_started()) {
    // The open symlink itself (O_PATH | O_NOFOLLOW).
    RemoteFd link;
    if (find_remote(dirfd, link)) return finish_remote<ssize_t>(read_open_link(link, buffer, room));
  }
  return read_link(dirfd, path, buffer, room,
                   [=](int at, const char* local) { return libc().readlinkat(at, local, buffer, room); });
}

extern "C" ssize_t qnet___readlink_chk(const char* path, char* buffer, size_t room, size_t object_room) {
  if (room > object_room) __chk_fail();
  return qnet_readlink(path, buffer, room);
}

extern "C" ssize_t qnet___readlinkat_chk(int dirfd, const char* path, char* buffer, size_t room, size_t object_room) {
  if (room > object_room) __chk_fail();
  return qnet_readlinkat(dirfd, path, buffer, room);
}
