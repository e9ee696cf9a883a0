// SPDX-License-Identifier: Apache-2.0
//
// walk_calls.cpp: how do glob(), ftw() and nftw() walk where directories are remote?
//
// glob() stays libc's, with our functions to look at directories. ftw() and nftw() of a root on a node are ours: one
// directory is read at a time, and its names are kept until they have been visited, so that no limit of descriptors is
// ever reached.
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

namespace qnet::preload {
namespace {

// ---- glob

void* open_for_glob(const char* path) {
  return qnet_opendir(path);
}
struct dirent* read_for_glob(void* stream) {
  return qnet_readdir(static_cast<DIR*>(stream));
}
void close_for_glob(void* stream) {
  qnet_closedir(static_cast<DIR*>(stream));
}
int stat_for_glob(const char* path, struct stat* status) {
  return qnet_stat(path, status);
}
int lstat_for_glob(const char* path, struct stat* status) {
  return qnet_lstat(path, status);
}

// ---- nftw

using Visit = int (*)(const char*, const struct stat*, int, struct FTW*);
using PlainVisit = int (*)(const char*, const struct stat*, int);

/// A directory that a logical walk has been in: it goes into each only once.
struct Seen {
  dev_t device;
  ino_t inode;
};
int compare_seen(const void* a, const void* b) {
  const auto& left = *static_cast<const Seen*>(a);
  const auto& right = *static_cast<const Seen*>(b);
  if (left.device != right.device) return left.device < right.device ? -1 : 1;
  return left.inode < right.inode ? -1 : left.inode > right.inode ? 1 : 0;
}

class TreeWalk {
 public:
  TreeWalk(Visit visit, PlainVisit plain_visit, int flags) : visit_(visit), plain_visit_(plain_visit), flags_(flags) {}
  ~TreeWalk() {
    free(path_);
    tdestroy(seen_, free);
    if (start_fd_ >= 0) qnet_close(start_fd_);
  }
  TreeWalk(const TreeWalk&) = delete;
  TreeWalk& operator=(const TreeWalk&) = delete;

  int run(const char* root);

 private:
  /// Back to where the walk began.
  int leave(int result);
  /// nftw's results. 0: go on. With FTW_ACTIONRETVAL FTW_SKIP_SUBTREE and FTW_SKIP_SIBLINGS, as the visitor said.
  int report(const struct stat& status, int type, int base, int level);
  int visit_directory(const struct stat& status, int base, int level);
  int visit_children(int level);
  int visit_child(const struct dirent& entry, int base, int level);
  int classify(unsigned char entry_type, int base, struct stat& status, int& type);
  bool is_seen(const struct stat& status);
  bool set_path(std::size_t length, const char* name);
  /// How the entry whose name begins at `base` is reached from the working directory.
  const char* access_path(int base) const { return (flags_ & FTW_CHDIR) != 0 ? path_ + base : path_; }
  /// FTW_CHDIR: into the directory whose name is the first `length` bytes of the path.
  bool enter(std::size_t length);

  Visit visit_;
  PlainVisit plain_visit_;
  int flags_;
  char* path_ = nullptr;
  std::size_t path_bytes_ = 0, path_room_ = 0;
  void* seen_ = nullptr;
  dev_t root_device_ = 0;
  int start_fd_ = -1;
};

bool TreeWalk::set_path(std::size_t length, const char* name) {
  const std::size_t name_bytes = strlen(name);
  const std::size_t needed = length + name_bytes + 2;
  if (needed > path_room_) {
    auto* const grown = static_cast<char*>(realloc(path_, needed * 2));
    if (grown == nullptr) return false;
    path_ = grown;
    path_room_ = needed * 2;
  }
  if (length > 0 && path_[length - 1] != '/') path_[length++] = '/';
  memcpy(path_ + length, name, name_bytes + 1);
  path_bytes_ = length + name_bytes;
  return true;
}

bool TreeWalk::enter(std::size_t length) {
  if ((flags_ & FTW_CHDIR) == 0) return true;
  if (qnet_fchdir(start_fd_) != 0) return false;
  if (length == 0) return true;
  const char saved = path_[length];
  path_[length] = '\0';
  const bool is_there = qnet_chdir(path_) == 0;
  path_[length] = saved;
  return is_there;
}

bool TreeWalk::is_seen(const struct stat& status) {
  auto* const fresh = static_cast<Seen*>(malloc(sizeof(Seen)));
  if (fresh == nullptr) return true;  // Rather skipped than walked for ever.
  *fresh = {status.st_dev, status.st_ino};
  void* const node = tsearch(fresh, &seen_, compare_seen);
  const bool is_new = node != nullptr && *static_cast<Seen**>(node) == fresh;
  if (!is_new) free(fresh);
  return !is_new;
}

int TreeWalk::report(const struct stat& status, int type, int base, int level) {
  if (plain_visit_ != nullptr) {
    // ftw(3) knows fewer kinds.
    const int plain = type == FTW_SL ? FTW_F : type == FTW_DP ? FTW_D : type == FTW_SLN ? FTW_NS : type;
    return plain_visit_(path_, &status, plain);
  }
  struct FTW where {
    base, level
  };
  return visit_(path_, &status, type, &where);
}

int TreeWalk::classify(unsigned char entry_type, int base, struct stat& status, int& type) {
  const bool is_physical = (flags_ & FTW_PHYS) != 0;
  const char* const path = access_path(base);
  if ((is_physical ? qnet_lstat(path, &status) : qnet_stat(path, &status)) == 0) {
    type = S_ISDIR(status.st_mode) ? FTW_D : S_ISLNK(status.st_mode) ? FTW_SL : FTW_F;
    return 0;
  }
  if (errno != EACCES && errno != ENOENT) return -1;
  type = FTW_NS;
  if (!is_physical && (entry_type == DT_UNKNOWN || entry_type == DT_LNK) && qnet_lstat(path, &status) == 0 &&
      S_ISLNK(status.st_mode)) {
    type = FTW_SLN;
  }
  return 0;
}

int TreeWalk::visit_child(const struct dirent& entry, int base, int level) {
  struct stat status = {};
  int type = FTW_NS;
  if (classify(entry.d_type, base, status, type) != 0) return -1;
  if ((flags_ & FTW_MOUNT) != 0 && type != FTW_NS && status.st_dev != root_device_) return 0;
  if (type != FTW_D) return report(status, type, base, level);
  if ((flags_ & FTW_PHYS) == 0 && is_seen(status)) return 0;
  return visit_directory(status, base, level);
}

/// The names are read before the first is visited.
int TreeWalk::visit_children(int level) {
  const std::size_t directory_bytes = path_bytes_;
  if (!enter(directory_bytes)) return -1;
  struct dirent** names = nullptr;
  const int count = qnet_scandir((flags_ & FTW_CHDIR) != 0 ? "." : path_, &names, nullptr, nullptr);
  if (count < 0) return -1;
  int result = 0;
  for (int i = 0; i < count; ++i) {
    const char* const name = names[i]->d_name;
    const bool is_dot = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    if (result == 0 && !is_dot) {
      if (set_path(directory_bytes, name)) {
        result = visit_child(*names[i], static_cast<int>(path_bytes_ - strlen(name)), level);
        path_[path_bytes_ = directory_bytes] = '\0';
      } else {
        result = -1;
      }
      if ((flags_ & FTW_ACTIONRETVAL) != 0 && result == FTW_SKIP_SUBTREE) result = 0;
    }
    free(names[i]);
  }
  free(names);
  return (flags_ & FTW_ACTIONRETVAL) != 0 && result == FTW_SKIP_SIBLINGS ? 0 : result;
}

int TreeWalk::visit_directory(const struct stat& status, int base, int level) {
  const std::size_t parent_bytes = base > 1 ? static_cast<std::size_t>(base) - 1 : static_cast<std::size_t>(base);
  const bool is_readable = qnet_access(access_path(base), R_OK) == 0 || errno != EACCES;
  if (!is_readable) return report(status, FTW_DNR, base, level);
  if ((flags_ & FTW_DEPTH) == 0) {
    const int result = report(status, FTW_D, base, level);
    if (result != 0) return result;
  }
  const int result = visit_children(level + 1);
  if (!enter(parent_bytes)) return -1;
  if (result != 0 || (flags_ & FTW_DEPTH) == 0) return result;
  return report(status, FTW_DP, base, level);
}

int TreeWalk::run(const char* root) {
  if (*root == '\0') return refuse(ENOENT);
  if (!set_path(0, root)) return refuse(ENOMEM);
  while (path_bytes_ > 1 && path_[path_bytes_ - 1] == '/') path_[--path_bytes_] = '\0';
  const char* const slash = strrchr(path_, '/');
  const int base = slash == nullptr || slash[1] == '\0' ? 0 : static_cast<int>(slash - path_) + 1;

  if ((flags_ & FTW_CHDIR) != 0) {
    start_fd_ = qnet_open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (start_fd_ < 0 || !enter(base > 1 ? static_cast<std::size_t>(base) - 1 : static_cast<std::size_t>(base))) {
      return -1;
    }
  }
  struct stat status = {};
  int type = FTW_NS;
  int result = -1;
  if (classify(DT_UNKNOWN, base, status, type) != 0 || type == FTW_NS) return leave(result);
  root_device_ = status.st_dev;
  if (type == FTW_D && (flags_ & FTW_PHYS) == 0) is_seen(status);
  result = type == FTW_D ? visit_directory(status, base, 0) : report(status, type, base, 0);
  if ((flags_ & FTW_ACTIONRETVAL) != 0 && (result == FTW_SKIP_SUBTREE || result == FTW_SKIP_SIBLINGS)) result = 0;
  return leave(result);
}

int TreeWalk::leave(int result) {
  const KeepErrno keep;
  if (start_fd_ >= 0) qnet_fchdir(start_fd_);
  return result;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" int qnet_glob(const char* pattern, int flags, int (*failed)(const char* path, int error), glob_t* found) {
  if ((flags & GLOB_ALTDIRFUNC) != 0) return libc().glob(pattern, flags, failed, found);
  // Always ours: any directory on the way may be a symlink to a node, and for local ones ours are libc's.
  found->gl_opendir = open_for_glob;
  found->gl_readdir = read_for_glob;
  found->gl_closedir = close_for_glob;
  found->gl_stat = stat_for_glob;
  found->gl_lstat = lstat_for_glob;
  const int result = libc().glob(pattern, flags | GLOB_ALTDIRFUNC, failed, found);
  found->gl_flags &= ~GLOB_ALTDIRFUNC;
  return result;
}

extern "C" int qnet_ftw(const char* path, int (*visit)(const char*, const struct stat*, int), int descriptors) {
  if (!leads_away(path)) return libc().ftw(path, visit, descriptors);
  return TreeWalk(nullptr, visit, 0).run(path);
}

extern "C" int qnet_nftw(const char* path, int (*visit)(const char*, const struct stat*, int, struct FTW*),
                         int descriptors, int flags) {
  if (!leads_away(path)) return libc().nftw(path, visit, descriptors, flags);
  constexpr int kKnownFlags = FTW_PHYS | FTW_MOUNT | FTW_CHDIR | FTW_DEPTH | FTW_ACTIONRETVAL;
  if ((flags & ~kKnownFlags) != 0) return refuse(EINVAL);
  return TreeWalk(visit, nullptr, flags).run(path);
}
