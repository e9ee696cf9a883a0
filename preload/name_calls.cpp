// SPDX-License-Identifier: Apache-2.0
//
// name_calls.cpp: calls that make, remove and move names.
//
// Modes travel with the umask, which the owner applies. A name directly below the prefix is refused by the agent
// (EROFS).
#include <sys/sysmacros.h>

#include "preload/descriptor_path.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"
#include "preload/two_paths.hpp"

namespace qnet::preload {
namespace {

using wire::Opcode;

template <class Request>
Result<int> ask(const Routed& routed, Opcode opcode, const Request& request, client::Exchange& exchange) {
  const auto done = ask_path<wire::Empty>(routed, opcode, request, exchange);
  if (!done) return fail(done.error());
  return 0;
}

template <class Local>
int make_directory(int dirfd, const char* path, mode_t mode, Local&& local) {
  return by_path(dirfd, path, LastLink::kKeep, local, [=](const Routed& routed, client::Exchange& exchange) {
    const wire::MakeDirectoryRequest request{wire::new_mode(mode & 07777, current_umask()), routed.place.path};
    return ask(routed, Opcode::kMakeDirectory, request, exchange);
  });
}

template <class Local>
int remove_name(int dirfd, const char* path, int flags, Local&& local) {
  return by_path(dirfd, path, LastLink::kKeep, local, [=](const Routed& routed, client::Exchange& exchange) {
    const wire::UnlinkRequest request{static_cast<std::uint32_t>(flags), routed.place.path};
    return ask(routed, Opcode::kUnlink, request, exchange);
  });
}

template <class Local>
int make_symlink(const char* content, int dirfd, const char* path, Local&& local) {
  return by_path(dirfd, path, LastLink::kKeep, local, [=](const Routed& routed, client::Exchange& exchange) {
    if (content == nullptr) return Result<int>(fail(EFAULT, "symlink"));
    return ask(routed, Opcode::kMakeSymlink, wire::MakeSymlinkRequest{content, routed.place.path}, exchange);
  });
}

template <class Local>
int make_node(int dirfd, const char* path, mode_t mode, dev_t device, Local&& local) {
  return by_path(dirfd, path, LastLink::kKeep, local, [=](const Routed& routed, client::Exchange& exchange) {
    const wire::MakeNodeRequest request{wire::new_mode(mode, current_umask()), gnu_dev_major(device),
                                        gnu_dev_minor(device), routed.place.path};
    return ask(routed, Opcode::kMakeNode, request, exchange);
  });
}

template <class Local>
int rename_anywhere(int source_dirfd, const char* source, int target_dirfd, const char* target, unsigned flags,
                    Local&& local) {
  return by_two_paths(
      {source_dirfd, source}, {target_dirfd, target}, local,
      [=](const Routed& from, const Routed& to, client::Exchange& exchange, client::CallOptions& options) -> Status {
        const wire::RenameRequest request{flags, from.place.path, to.place.path};
        const auto done = client::call<wire::RenameReply>(Opcode::kRename, from.place, request, exchange, options);
        if (!done) return fail(done.error());
        return {};
      });
}

template <class Local>
int link_anywhere(int source_dirfd, const char* source, int target_dirfd, const char* target, int flags,
                  Local&& local) {
  const LastLink last = (flags & AT_SYMLINK_FOLLOW) != 0 ? LastLink::kFollow : LastLink::kKeep;
  return by_two_paths(
      {source_dirfd, source, last}, {target_dirfd, target}, local,
      [=](const Routed& from, const Routed& to, client::Exchange& exchange, client::CallOptions& options) -> Status {
        // "/proc/self/fd/N" of something remote is the open thing itself.
        const bool is_handle = from.place.path.empty() && !from.place.handle.is_none();
        const int known = flags | (is_handle ? AT_EMPTY_PATH : 0);
        const wire::LinkRequest request{static_cast<std::uint32_t>(known), from.place.path, to.place.path};
        const auto done = client::call<wire::LinkReply>(Opcode::kLink, from.place, request, exchange, options);
        if (!done) return fail(done.error());
        return {};
      });
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_mkdir(const char* path, mode_t mode) {
  return make_directory(AT_FDCWD, path, mode, [=](int, const char* local) { return libc().mkdir(local, mode); });
}
extern "C" int qnet_mkdirat(int dirfd, const char* path, mode_t mode) {
  return make_directory(dirfd, path, mode, [=](int at, const char* local) { return libc().mkdirat(at, local, mode); });
}

extern "C" int qnet_rmdir(const char* path) {
  return remove_name(AT_FDCWD, path, AT_REMOVEDIR, [](int, const char* local) { return libc().rmdir(local); });
}
extern "C" int qnet_unlink(const char* path) {
  return remove_name(AT_FDCWD, path, 0, [](int, const char* local) { return libc().unlink(local); });
}
extern "C" int qnet_unlinkat(int dirfd, const char* path, int flags) {
  return remove_name(dirfd, path, flags, [=](int at, const char* local) { return libc().unlinkat(at, local, flags); });
}
extern "C" int qnet_remove(const char* path) {
  if (qnet_unlink(path) == 0) return 0;
  return errno == EISDIR ? qnet_rmdir(path) : -1;
}

extern "C" int qnet_rename(const char* source, const char* target) {
  return rename_anywhere(AT_FDCWD, source, AT_FDCWD, target, 0,
                         [](int, const char* from, int, const char* to) { return libc().rename(from, to); });
}
extern "C" int qnet_renameat(int source_dirfd, const char* source, int target_dirfd, const char* target) {
  return rename_anywhere(source_dirfd, source, target_dirfd, target, 0,
                         [](int from_at, const char* from, int to_at, const char* to) {
                           return libc().renameat(from_at, from, to_at, to);
                         });
}
extern "C" int qnet_renameat2(int source_dirfd, const char* source, int target_dirfd, const char* target,
                              unsigned flags) {
  return rename_anywhere(source_dirfd, source, target_dirfd, target, flags,
                         [=](int from_at, const char* from, int to_at, const char* to) {
                           return libc().renameat2(from_at, from, to_at, to, flags);
                         });
}

extern "C" int qnet_link(const char* source, const char* target) {
  return link_anywhere(AT_FDCWD, source, AT_FDCWD, target, 0,
                       [](int, const char* from, int, const char* to) { return libc().link(from, to); });
}
extern "C" int qnet_linkat(int source_dirfd, const char* source, int target_dirfd, const char* target, int flags) {
  // linkat(fd, "", …, AT_EMPTY_PATH) names what is open, as this does.
  const DescriptorPath open_thing(source_dirfd);
  if ((flags & AT_EMPTY_PATH) != 0 && source != nullptr && *source == '\0' && is_remote(source_dirfd)) {
    source = open_thing.text();
    flags = AT_SYMLINK_FOLLOW;
  }
  return link_anywhere(source_dirfd, source, target_dirfd, target, flags,
                       [=](int from_at, const char* from, int to_at, const char* to) {
                         return libc().linkat(from_at, from, to_at, to, flags);
                       });
}

extern "C" int qnet_symlink(const char* content, const char* path) {
  return make_symlink(content, AT_FDCWD, path, [=](int, const char* local) { return libc().symlink(content, local); });
}
extern "C" int qnet_symlinkat(const char* content, int dirfd, const char* path) {
  return make_symlink(content, dirfd, path,
                      [=](int at, const char* local) { return libc().symlinkat(content, at, local); });
}

extern "C" int qnet_mknod(const char* path, mode_t mode, dev_t device) {
  return make_node(AT_FDCWD, path, mode, device,
                   [=](int, const char* local) { return libc().mknod(local, mode, device); });
}
extern "C" int qnet_mknodat(int dirfd, const char* path, mode_t mode, dev_t device) {
  return make_node(dirfd, path, mode, device,
                   [=](int at, const char* local) { return libc().mknodat(at, local, mode, device); });
}
// Programs built against glibc before 2.33.
extern "C" int qnet___xmknod(int version, const char* path, mode_t mode, dev_t* device) {
  return make_node(AT_FDCWD, path, mode, *device,
                   [=](int, const char* local) { return libc().__xmknod(version, local, mode, device); });
}
extern "C" int qnet___xmknodat(int version, int dirfd, const char* path, mode_t mode, dev_t* device) {
  return make_node(dirfd, path, mode, *device,
                   [=](int at, const char* local) { return libc().__xmknodat(version, at, local, mode, device); });
}
extern "C" int qnet_mkfifo(const char* path, mode_t mode) {
  return qnet_mknod(path, (mode & 07777) | S_IFIFO, 0);
}
extern "C" int qnet_mkfifoat(int dirfd, const char* path, mode_t mode) {
  return qnet_mknodat(dirfd, path, (mode & 07777) | S_IFIFO, 0);
}

extern "C" mode_t qnet_umask(mode_t mask) {
  const mode_t former = libc().umask(mask);
  state().umask_plus_1.store((mask & 0777) + 1, std::memory_order_relaxed);
  return former;
}
