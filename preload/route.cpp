// SPDX-License-Identifier: Apache-2.0
#include "preload/route.hpp"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <charconv>
#include <cstring>

#include "transport/base/link_walk.hpp"
#include "transport/base/net_path.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet::preload {
namespace {

/// The number at the front of `text`, which becomes what is left. -1 if there is none.
int take_number(std::string_view& text) {
  int number = -1;
  std::size_t used = 0;
  while (used < text.size() && text[used] >= '0' && text[used] <= '9' && used < 7) {
    number = (number < 0 ? 0 : number * 10) + (text[used++] - '0');
  }
  text.remove_prefix(used);
  return number;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// "/proc/self/" and its other spellings.
bool take_own_proc(std::string_view& text) {
  if (!take_prefix(text, "/proc/")) return false;
  if (take_prefix(text, "self/") || take_prefix(text, "thread-self/")) return true;
  const int process = take_number(text);
  return process > 0 && process == raw_syscall(SYS_getpid) && take_prefix(text, "/");
}

/// A path that names one of our descriptors: its number and what follows it ("" or "/…"), or -1.
int descriptor_in_path(std::string_view path, std::string_view& rest) {
  rest = {};
  if (path == "/dev/stdin") return 0;
  if (path == "/dev/stdout") return 1;
  if (path == "/dev/stderr") return 2;
  if (!take_prefix(path, "/dev/fd/") && !(take_own_proc(path) && take_prefix(path, "fd/"))) return -1;
  const int fd = take_number(path);
  rest = path;
  return rest.empty() || rest.front() == '/' ? fd : -1;
}

bool has_component(std::string_view path, std::string_view name) {
  for (std::size_t at = path.find(name); at != std::string_view::npos; at = path.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if ((at == 0 || path[at - 1] == '/') && (end == path.size() || path[end] == '/')) return true;
  }
  return false;
}

void refuse(Routed& routed, int error) {
  routed.is_remote = false;
  routed.error = error;
}

/// A remote descriptor and a path relative to it; "" is the open thing itself.
void route_from_descriptor(const RemoteFd& found, std::string_view relative, Routed& routed);

/// A path relative to the working directory, if that is remote; else nothing. `text` needs 4096 bytes, which may be
/// routed.text if `relative` is elsewhere.
void route_from_working_directory(std::string_view relative, char* text, Routed& routed);

void route_absolute(std::string_view path, LastLink last, Routed& routed);

/// An absolute path that is below the prefix and stays valid as long as `routed`.
void route_net_path(const NetPath& parsed, Routed& routed) {
  routed.error = 0;
  if (parsed.kind == NetPathKind::kAbove) {
    // Read on from the local root; "/.." there is "/".
    return route_absolute(parsed.rest.empty() ? "/" : parsed.rest, LastLink::kFollow, routed);
  }
  if (parsed.target.size() > kTargetBytesMax) {
    const bool is_too_long_a_name = split_target(parsed.target).node.size() > kNodeNameBytesMax;
    return refuse(routed, is_too_long_a_name ? ENOENT : EINVAL);
  }
  if (parsed.rest.size() > wire::kPathBytesMax) return refuse(routed, ENAMETOOLONG);
  routed.is_remote = true;
  routed.prove_fd = -1;
  routed.is_from_working_directory = false;
  routed.place = {};
  routed.place.target = parsed.target;
  routed.place.path = parsed.kind == NetPathKind::kNode ? parsed.rest : parsed.must_be_directory ? "/" : "";
}

/// LOCAL… of QNET_MAP becomes TARGET… in routed.text. Nothing if no entry fits.
std::string_view map_path(std::string_view path, Routed& routed) {
  const MapEntry* best = nullptr;
  std::string_view rest;
  for (std::size_t i = 0; i < state().map_count; ++i) {
    const MapEntry& entry = state().map[i];
    if (best != nullptr && entry.local.size() <= best->local.size()) continue;
    const NetPath parsed = parse_net_path(path, entry.local);
    if (parsed.kind == NetPathKind::kLocal) continue;
    best = &entry;
    if (parsed.kind == NetPathKind::kNode) {
      rest = path.substr(static_cast<std::size_t>(parsed.target.data() - path.data()));
    } else if (parsed.kind == NetPathKind::kAbove) {
      rest = path.substr(static_cast<std::size_t>(parsed.rest.data() - path.data()) - 2);
    } else {
      rest = parsed.must_be_directory ? std::string_view(".") : std::string_view();
    }
  }
  if (best == nullptr) return {};
  const std::size_t size = best->target.size() + (rest.empty() ? 0 : 1 + rest.size());
  if (size >= Routed::kTextBytes) {
    refuse(routed, ENAMETOOLONG);
    return {};
  }
  // `path` may be in routed.text itself.
  std::memmove(routed.text + size - rest.size(), rest.data(), rest.size());
  std::memcpy(routed.text, best->target.data(), best->target.size());
  if (!rest.empty()) routed.text[best->target.size()] = '/';
  routed.text[size] = '\0';
  return {routed.text, size};
}

/// An absolute path, in the caller's memory or in routed.text, that ends with NUL.
void route_absolute(std::string_view path, LastLink last, Routed& routed) {
  NetPath parsed;
  int hops = 0;
  do {
    if (++hops > kHopsMax) return refuse(routed, ELOOP);
    if (const std::string_view mapped = map_path(path, routed); !mapped.empty()) path = mapped;
    if (routed.error != 0) return;
    parsed = parse_net_path(path, state().prefix);
    if (parsed.kind == NetPathKind::kAbove) path = parsed.rest.empty() ? "/" : parsed.rest;
  } while (parsed.kind == NetPathKind::kAbove);
  if (parsed.kind != NetPathKind::kLocal) {
    return path.size() > wire::kPathBytesMax ? refuse(routed, ENAMETOOLONG) : route_net_path(parsed, routed);
  }
  routed.is_remote = false;
  routed.dirfd = AT_FDCWD;
  routed.path = path.data();

  std::string_view rest;
  const int fd = descriptor_in_path(path, rest);
  if (fd >= 0) {
    if (rest.empty() && last == LastLink::kKeep) return;
    RemoteFd found;
    if (!find_remote(fd, found)) return;
    if (rest.empty()) return route_from_descriptor(found, "", routed);
    const std::size_t name = rest.find_first_not_of('/');
    return route_from_descriptor(found, name == std::string_view::npos ? "." : rest.substr(name), routed);
  }
  std::string_view below = path;
  if (!take_own_proc(below) || !take_prefix(below, "cwd")) return;
  if (!below.empty() && below.front() != '/') return;
  if (below.empty() && last == LastLink::kKeep) return;
  const std::size_t name = below.find_first_not_of('/');
  const Scratch<std::array<char, 4096>> text;
  if (!text) return refuse(routed, ENOMEM);
  route_from_working_directory(name == std::string_view::npos ? "." : below.substr(name), text->data(), routed);
}

/// `directory` + '/' + `relative`, below the prefix, in routed.text, where one of them may be already.
void route_joined(std::string_view directory, std::string_view relative, Routed& routed) {
  const std::size_t size = directory.size() + 1 + relative.size();
  if (size >= Routed::kTextBytes || relative.size() > wire::kPathBytesMax) return refuse(routed, ENAMETOOLONG);
  const bool is_in_place = directory.data() >= routed.text && directory.data() < routed.text + sizeof routed.text;
  if (is_in_place) std::memmove(routed.text, directory.data(), directory.size());
  std::memmove(routed.text + directory.size() + 1, relative.data(), relative.size());
  if (!is_in_place) std::memcpy(routed.text, directory.data(), directory.size());
  routed.text[directory.size()] = '/';
  routed.text[size] = '\0';
  route_net_path(parse_net_path({routed.text, size}, state().prefix), routed);
}

void route_from_descriptor(const RemoteFd& found, std::string_view relative, Routed& routed) {
  if (found.error != 0) return refuse(routed, found.error);
  // The list of nodes has no handle that could be walked from: its names are text.
  if (found.target().empty() && !relative.empty()) return route_joined(state().prefix, relative, routed);
  if (relative.size() > wire::kPathBytesMax) return refuse(routed, ENAMETOOLONG);
  routed.error = 0;
  routed.is_remote = true;
  std::memcpy(routed.target, found.target().data(), found.target().size());
  routed.place = {};
  routed.place.target = {routed.target, found.target().size()};
  routed.place.handle = found.handle;
  routed.place.path = relative;
  routed.prove_fd = found.fd;
  routed.is_from_working_directory = false;
}

void route_from_working_directory(std::string_view relative, char* text, Routed& routed) {
  HandleId handle;
  const std::string_view here = real_working_directory(text, handle);
  if (here.empty()) return;
  if (relative.empty()) return refuse(routed, ENOENT);
  if (handle.is_none()) return route_joined(here, relative, routed);
  if (relative.size() > wire::kPathBytesMax) return refuse(routed, ENAMETOOLONG);
  const std::string_view target = parse_net_path(here, state().prefix).target;
  if (target.size() > kTargetBytesMax) return refuse(routed, EINVAL);
  routed.error = 0;
  routed.is_remote = true;
  std::memcpy(routed.target, target.data(), target.size());
  routed.place = {{routed.target, target.size()}, handle, relative};
  routed.prove_fd = client::kProveByWorkingDirectory;
  routed.is_from_working_directory = true;
}

}  // namespace

void route(int dirfd, const char* path, Routed& routed, LastLink last) {
  routed.is_remote = false;
  routed.error = 0;
  routed.is_from_working_directory = false;
  routed.dirfd = dirfd;
  routed.path = path;
  if (path == nullptr || !is_started()) return;

  if (path[0] == '/') return route_absolute(path, last, routed);
  if (dirfd != AT_FDCWD) {
    RemoteFd found;
    if (!find_remote(dirfd, found)) return;
    return path[0] == '\0' ? refuse(routed, ENOENT) : route_from_descriptor(found, path, routed);
  }
  if (state().working_directory.load(std::memory_order_relaxed) == WorkingDirectory::kLocal) return;
  route_from_working_directory(path, routed.text, routed);
}

bool reroute_by_name(Routed& routed) {
  if (!routed.is_from_working_directory) return false;
  const Scratch<std::array<char, 4096>> text;
  HandleId handle;
  const std::string_view here = text ? real_working_directory(text->data(), handle) : std::string_view();
  if (here.empty()) return false;
  route_joined(here, routed.place.path, routed);
  return true;
}

bool is_local_text(const char* path) {
  if (path[1] == '/' || path[1] == '.') return false;
  const std::string_view text(path);
  const auto is_below = [&](std::string_view prefix) {
    return text.starts_with(prefix) && (text.size() == prefix.size() || text[prefix.size()] == '/');
  };
  if (is_below(state().prefix)) return false;
  for (std::size_t i = 0; i < state().map_count; ++i) {
    // Only whole components are compared here; "/srv//data" and "/srv/./data" are left to route().
    const std::string_view local = state().map[i].local;
    if (is_below(local.substr(0, local.find('/', 1)))) return false;
  }
  const std::size_t inner = state().prefix.find('/', 1);
  if (inner != std::string_view::npos && is_below(state().prefix.substr(0, inner))) return false;
  if (text.starts_with("/proc/")) {
    return text.find("/fd/") == std::string_view::npos && text.find("/cwd") == std::string_view::npos;
  }
  return !text.starts_with("/dev/fd/") && !text.starts_with("/dev/std");
}

bool deserves_second_look(int dirfd, const char* path, int error) {
  if (!may_be_symlink(error)) return false;
  if (path == nullptr || path[0] == '\0' || !is_started()) return false;
  // "../net/b" from a directory below "/", and "/usr/../net/b".
  const std::string_view prefix = state().prefix;
  const bool may_climb = path[0] != '/' || std::strstr(path, "/..") != nullptr;
  if (may_climb && has_component(path, prefix.substr(prefix.rfind('/') + 1))) return true;

  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const long fd = raw_syscall(SYS_openat2, dirfd, path, &how, sizeof how);
  if (fd >= 0) {
    // Without any link up to here: only the object itself can be one.
    struct stat status;
    const long known = raw_syscall(SYS_fstat, fd, &status);
    raw_syscall(SYS_close, fd);
    return known != 0 || S_ISLNK(status.st_mode);
  }
  return fd != -ENOENT && fd != -ENOTDIR && fd != -EACCES && fd != -ENAMETOOLONG && fd != -EFAULT && fd != -EBADF;
}

bool walk_to_prefix(int dirfd, const char* path, LastLink last, Routed& routed) {
  const Scratch<LinkWalk> walk;
  if (!walk || !walk_into_prefix(dirfd, path, state().prefix, last == LastLink::kFollow, *walk)) return false;
  const std::string_view found = walk->path();
  const std::string_view prefix = state().prefix;
  if (prefix.size() + found.size() >= Routed::kTextBytes) return false;
  std::memcpy(routed.text, prefix.data(), prefix.size());
  std::memcpy(routed.text + prefix.size(), found.data(), found.size());
  const std::string_view whole(routed.text, prefix.size() + found.size());
  routed.text[whole.size()] = '\0';
  routed.error = 0;
  route_absolute(whole, last, routed);
  return true;
}

void follow_redirect(const wire::RedirectReply& redirect, int& hops, Routed& routed) {
  if (++hops > kHopsMax) return refuse(routed, ELOOP);
  const std::string_view prefix = redirect.is_local != 0 ? std::string_view() : state().prefix;
  if (prefix.size() + redirect.path.size() >= Routed::kTextBytes) return refuse(routed, ENAMETOOLONG);
  std::memcpy(routed.text, prefix.data(), prefix.size());
  std::memcpy(routed.text + prefix.size(), redirect.path.data(), redirect.path.size());
  const std::string_view whole(routed.text, prefix.size() + redirect.path.size());
  routed.text[whole.size()] = '\0';
  routed.error = 0;
  route_absolute(whole, LastLink::kFollow, routed);
}

std::string_view real_working_directory(char* text, HandleId& handle) {
  handle = {};
  if (state().working_directory.load(std::memory_order_relaxed) == WorkingDirectory::kLocal) return {};
  if (!is_started()) return {};
  constexpr std::string_view kDeleted = " (deleted)";
  const long got = raw_syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", text, 4096);
  std::string_view path(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  const std::size_t mark = path.rfind(wire::kWorkingDirectoryMark);
  bool is_virtual = mark != std::string_view::npos && path.ends_with(kDeleted);
  if (is_virtual) {
    // Anybody can make a directory with such a name; only a deleted one cannot be entered by accident.
    struct stat status;
    is_virtual = raw_syscall(SYS_newfstatat, AT_FDCWD, ".", &status, 0) == 0 && status.st_nlink == 0;
  }
  if (is_virtual) {
    path.remove_suffix(kDeleted.size());
    path.remove_prefix(mark + wire::kWorkingDirectoryMark.size());
    const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), handle.value);
    path.remove_prefix(static_cast<std::size_t>(end - path.data()));
    is_virtual = parse_net_path(path, state().prefix).kind != NetPathKind::kLocal;
  }
  state().working_directory.store(is_virtual ? WorkingDirectory::kVirtual : WorkingDirectory::kLocal,
                                  std::memory_order_relaxed);
  return is_virtual ? path : std::string_view();
}

std::string_view virtual_working_directory(char* text) {
  HandleId handle;
  const std::string_view here = real_working_directory(text, handle);
  if (here.empty()) return here;
  return visible_path(here, text);
}

void forget_working_directory() {
  state().working_directory.store(WorkingDirectory::kUnknown, std::memory_order_relaxed);
}

std::string_view visible_path(std::string_view path, char* text) {
  const MapEntry* best = nullptr;
  for (std::size_t i = 0; i < state().map_count; ++i) {
    const MapEntry& entry = state().map[i];
    const bool fits =
        path.starts_with(entry.target) && (path.size() == entry.target.size() || path[entry.target.size()] == '/');
    if (fits && (best == nullptr || entry.target.size() > best->target.size())) best = &entry;
  }
  if (best == nullptr) return path;
  const std::string_view rest = path.substr(best->target.size());
  const std::size_t size = best->local.size() + rest.size();
  if (size >= 4096) return path;
  std::memmove(text + best->local.size(), rest.data(), rest.size());
  std::memcpy(text, best->local.data(), best->local.size());
  return {text, size};
}

std::string_view visible_path_on(std::string_view target, std::string_view path_on_node, char* text) {
  const std::string_view prefix = state().prefix;
  // "/net", "/net/b", "/net/b/etc".
  if (path_on_node == "/") path_on_node = {};
  const std::size_t size = prefix.size() + (target.empty() ? 0 : 1 + target.size()) + path_on_node.size();
  if (size >= 4096) return {};
  char* at = text;
  const auto put = [&at](std::string_view part) {
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  };
  put(prefix);
  if (!target.empty()) {
    put("/");
    put(target);
  }
  put(path_on_node);
  return visible_path({text, size}, text);
}

void log_remote(const client::Place& place, int error) {
  log(LogLevel::kDebug, {"target ", place.target, " path ", place.path, " error ", Decimal(error)});
}

}  // namespace qnet::preload
