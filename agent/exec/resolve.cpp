// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/resolve.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>
#include <cstring>

#include "agent/exec/reply.hpp"
#include "transport/base/link_walk.hpp"
#include "transport/wire/file_ops.hpp"

namespace qnet::exec {
namespace {

constexpr std::string_view kDescriptors = "/proc/self/fd/";

/// "Start again there": `path` and then `rest`, both below the prefix.
Error redirect(Call& call, unsigned which, std::string_view path, std::string_view rest = {}) {
  char text[wire::kPathBytesMax];
  if (path.size() + rest.size() > sizeof text) return {ENAMETOOLONG, "resolve: redirect"};
  std::memcpy(text, path.data(), path.size());
  std::memcpy(text + path.size(), rest.data(), rest.size());
  call.redirect = to_body(wire::RedirectReply{
      .which = static_cast<std::uint8_t>(which), .is_local = 0, .path = {text, path.size() + rest.size()}});
  return {kRedirected, "resolve: elsewhere"};
}

bool is_root(const Context& context, int directory, const char* name) {
  struct statx found;
  const unsigned mask = STATX_INO | STATX_MNT_ID;
  if (::statx(directory, name, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, &found) != 0) return false;
  if (FileKey{found.stx_dev_major, found.stx_dev_minor, found.stx_ino} != context.root) return false;
  const bool knows_mount = (found.stx_mask & STATX_MNT_ID) != 0 && context.root_mount != 0;
  return !knows_mount || found.stx_mnt_id == context.root_mount;
}

/// The length of the path up to and with the first ".." that leaves this node's root; 0: none does.
std::size_t find_climb(const Context& context, Place& place, char* name) {
  const std::string_view text = place.text();
  for (std::size_t at = text.find(".."); at != std::string_view::npos; at = text.find("..", at + 1)) {
    const bool begins = at == 0 || text[at - 1] == '/';
    const bool ends = at + 2 == text.size() || text[at + 2] == '/';
    if (!begins || !ends) continue;
    const char saved = name[at];
    name[at] = '\0';  // What is before: "", "a/b/", "/".
    const bool climbs = is_root(context, place.directory(), name);
    name[at] = saved;
    if (climbs) return at + 2;
  }
  return 0;
}

}  // namespace

ProcessPath::ProcessPath(int fd) {
  std::memcpy(text, kDescriptors.data(), kDescriptors.size());
  *std::to_chars(text + kDescriptors.size(), text + sizeof text - 1, fd).ptr = '\0';
}

void Place::set(std::string_view text) {
  size_ = text.size();
  if (size_ != 0) std::memcpy(name_, text.data(), size_);
  name_[size_] = '\0';
}

Status Place::make_absolute() {
  if (directory_ == AT_FDCWD) return {};
  const ProcessPath start(directory_);
  const std::size_t start_bytes = std::strlen(start.text);
  const bool has_name = size_ != 0;
  if (start_bytes + has_name + size_ > wire::kPathBytesMax) return fail(ENAMETOOLONG, "resolve: through /proc");
  std::memmove(name_ + start_bytes + has_name, name_, size_ + 1);
  std::memcpy(name_, start.text, start_bytes);
  if (has_name) name_[start_bytes] = '/';
  size_ += start_bytes + has_name;
  directory_ = AT_FDCWD;
  return {};
}

Status locate(Call& call, HandleId base, std::string_view path, unsigned which, Place& place) {
  const Context& context = call.context;
  char from_root[wire::kPathBytesMax + 2];  // The path from this node's root, if that is where it begins.
  from_root[0] = '/';
  std::string_view absolute;
  if (base.is_none()) {
    place.directory_ = AT_FDCWD;
    if (path.starts_with('/')) {
      place.set(path);
    } else {
      if (path.size() == wire::kPathBytesMax) return fail(ENAMETOOLONG, "resolve: path");
      if (!path.empty()) std::memcpy(from_root + 1, path.data(), path.size());
      place.set({from_root, path.size() + 1});
    }
    absolute = place.text();
  } else {
    Result<OpenFilePointer> file = context.handles.find(*call.job->client, base);
    if (!file) {
      call.is_handle_gone = file.error().code == ESTALE;
      return fail(file.error());
    }
    place.file_ = std::move(*file);
    place.directory_ = place.file_->fd.get();
    place.set(path);
    if (path.empty()) return {};
    if (place.file_->is_root) {
      std::memcpy(from_root + 1, path.data(), path.size());
      absolute = {from_root, path.size() + 1};
    }
  }

  // "/net/c/x" on this node is the caller's network again, whether or not there is such a directory here.
  const NetPath net = parse_net_path(absolute, context.config.prefix);
  if (net.kind == NetPathKind::kRoot) return fail(redirect(call, which, "/"));
  if (net.kind == NetPathKind::kNode) {
    const std::string_view target(net.target.data() - 1, net.target.size() + 1);  // with its '/'
    return fail(redirect(call, which, target, net.rest));
  }
  if (const std::size_t climb = find_climb(context, place, place.name_)) {
    const std::string_view rest = place.text().substr(climb);
    return fail(rest.empty() ? redirect(call, which, "/") : redirect(call, which, rest));
  }
  return {};
}

Error explain(Call& call, const Place& place, int error, bool follow_last, unsigned which, const char* where) {
  const bool may_be_link = error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV;
  if (!may_be_link || place.text().empty()) return {error, where};
  LinkWalk walk;
  if (!walk_into_prefix(place.directory(), place.text(), call.context.config.prefix, follow_last, walk)) {
    return {error, where};
  }
  return redirect(call, which, walk.path());
}

}  // namespace qnet::exec
