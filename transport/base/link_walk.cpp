// SPDX-License-Identifier: Apache-2.0
#include "transport/base/link_walk.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "transport/base/net_path.hpp"
#include "transport/base/raw_syscall.hpp"

namespace qnet {
namespace {

constexpr int kLinksMax = 40;  // As the kernel.
constexpr std::size_t kPathMax = 4095;

enum class Kind { kLinks, kNoLinks };

/// Is there a symlink on the path at all? `path` ends with NUL.
Kind look_ahead(int directory, const char* path) {
  open_how how = {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const long fd = raw_syscall(SYS_openat2, directory, path, &how, sizeof how);
  if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES || fd == -ENAMETOOLONG) return Kind::kNoLinks;
  if (fd >= 0) raw_syscall(SYS_close, fd);
  return Kind::kLinks;  // ELOOP: a link on the way; success: perhaps the last one; ENOSYS, EMFILE: cannot tell.
}

bool is_same_directory(int directory, const char* a, const char* b) {
  struct statx of_a, of_b;
  const unsigned mask = STATX_INO | STATX_MNT_ID;
  if (raw_syscall(SYS_statx, directory, a, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, &of_a) != 0) return false;
  if (raw_syscall(SYS_statx, AT_FDCWD, b, AT_NO_AUTOMOUNT, mask, &of_b) != 0) return false;
  const bool same_mount = (of_a.stx_mask & of_b.stx_mask & STATX_MNT_ID) == 0 || of_a.stx_mnt_id == of_b.stx_mnt_id;
  return of_a.stx_ino == of_b.stx_ino && of_a.stx_dev_major == of_b.stx_dev_major &&
         of_a.stx_dev_minor == of_b.stx_dev_minor && same_mount;
}

/// The path as text[1 … 1 + size_), ended with NUL; text[0] is '/', so that any rest can be given one.
class Walk {
 public:
  Walk(int directory, std::string_view prefix, LinkWalk& walk) : directory_(directory), prefix_(prefix), walk_(walk) {}

  bool run(std::string_view path, bool follow_last) {
    walk_.text[0] = '/';
    set_text(path);
    if (!names_prefix(path) && look_ahead(directory_, text()) == Kind::kNoLinks) return false;

    std::size_t at = 0;
    for (int links = 0; links <= kLinksMax;) {
      while (at < size_ && text()[at] == '/') ++at;
      const std::size_t end = at + component(at).size();
      if (end == at) return false;
      if (enters_at(at)) return true;
      const bool is_last = end == size_;
      if (is_last && !follow_last) return false;
      if (is_dots(component(at))) {
        at = end;
        continue;
      }
      switch (expand(at, end)) {
        case Expanded::kNoLink:
          at = end;
          break;
        case Expanded::kFailed:
          return false;
        case Expanded::kLink:
          ++links;
          if (text()[0] == '/' && was_absolute_) at = 0;
          break;
      }
    }
    return false;
  }

 private:
  enum class Expanded { kNoLink, kLink, kFailed };

  char* text() { return walk_.text + 1; }
  std::string_view component(std::size_t at) {
    const std::string_view rest(text() + at, size_ - at);
    return rest.substr(0, rest.find('/'));
  }
  static bool is_dots(std::string_view name) { return name == "." || name == ".."; }

  void set_text(std::string_view path) {
    std::copy(path.begin(), path.end(), text());
    size_ = path.size();
    text()[size_] = '\0';
  }

  /// Could the text itself name the prefix? Then a miss without a link is not yet a miss.
  bool names_prefix(std::string_view path) const {
    const std::string_view last = prefix_.substr(prefix_.rfind('/') + 1);
    return path.find(last) != std::string_view::npos;
  }

  /// Does the prefix, or what is left of it in the directory before `at`, begin here?
  bool enters_at(std::size_t at) {
    for (std::size_t slash = 0; slash != std::string_view::npos; slash = prefix_.find('/', slash + 1)) {
      // The byte before `at` is a slash, or text[0] is. It becomes the start of an absolute path.
      const std::string_view from_here(text() + at - 1, size_ - at + 1);
      const NetPath found = parse_net_path(from_here, prefix_.substr(slash));
      if (found.kind != NetPathKind::kRoot && found.kind != NetPathKind::kNode) continue;
      if (!is_in(at, prefix_.substr(0, slash))) continue;
      return keep(found);
    }
    return false;
  }

  /// Is the directory before `at` the one that the prefix's first part names?
  bool is_in(std::size_t at, std::string_view parent) {
    char name[256] = "/";
    if (parent.size() >= sizeof name) return false;
    if (!parent.empty()) *std::copy(parent.begin(), parent.end(), name) = '\0';
    const char saved = text()[at];
    text()[at] = '\0';
    const bool is_same = is_same_directory(directory_, text(), name);
    text()[at] = saved;
    return is_same;
  }

  /// "/<target><rest>", or "/" for the prefix itself; stays where it is in the text.
  bool keep(const NetPath& found) {
    if (found.kind == NetPathKind::kRoot) {
      walk_.text[0] = '/';
      walk_.begin = 0;
      walk_.size = 1;
      return true;
    }
    walk_.begin = static_cast<std::size_t>(found.target.data() - walk_.text) - 1;
    walk_.size = 1 + found.target.size() + found.rest.size();
    return walk_.size <= kPathMax;
  }

  /// Replaces the link at [at, end) by what it says.
  Expanded expand(std::size_t at, std::size_t end) {
    const char saved = text()[end];
    text()[end] = '\0';
    char* const room = text() + size_ + 1;
    const auto room_bytes = static_cast<std::size_t>(walk_.text + sizeof walk_.text - room);
    const long result = raw_syscall(SYS_readlinkat, directory_, text(), room, room_bytes);
    text()[end] = saved;
    if (result == -EINVAL) return Expanded::kNoLink;
    if (result <= 0) return Expanded::kFailed;
    const auto count = static_cast<std::size_t>(result);
    was_absolute_ = room[0] == '/';
    const std::size_t head = was_absolute_ ? 0 : at;
    if (count == room_bytes || head + count + size_ - end > kPathMax) return Expanded::kFailed;

    // head | link | rest NUL target  ->  head | target | rest NUL
    std::rotate(text() + end, room, room + count);
    std::copy(text() + end, text() + size_ + 1 + count, text() + head);
    size_ = head + count + (size_ - end);
    return Expanded::kLink;
  }

  const int directory_;
  const std::string_view prefix_;
  LinkWalk& walk_;
  std::size_t size_ = 0;
  bool was_absolute_ = false;
};

}  // namespace

bool walk_into_prefix(int directory, std::string_view path, std::string_view prefix, bool follow_last, LinkWalk& walk) {
  if (path.empty() || path.size() > kPathMax || prefix.empty() || prefix.front() != '/') return false;
  return Walk(directory, prefix, walk).run(path, follow_last);
}

}  // namespace qnet
