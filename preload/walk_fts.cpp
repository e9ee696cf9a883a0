// SPDX-License-Identifier: Apache-2.0
//
// walk_fts.cpp: how do fts_open() and its relatives walk where a root is on a node?
//
// libc's walk uses its own system calls, so walks with a remote root are ours, with libc's structures. The working
// directory never changes: fts_accpath is always the whole path, which FTS_NOCHDIR also promises. At most kWalksMax of
// them at a time. All other walks stay libc's.
//
// Threads:  one walk belongs to one thread, as with libc's.
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomic>

#include "preload/entry.hpp"
#include "preload/libc.hpp"
#include "preload/remote_call.hpp"

namespace qnet::preload {
namespace {

constexpr std::size_t kWalksMax = 64;
constexpr unsigned short kNoInstruction = FTS_NOINSTR;
using Compare = int (*)(const FTSENT**, const FTSENT**);

std::atomic<FTS*> walks[kWalksMax];

bool is_ours(const FTS* walk) {
  for (const auto& slot : walks) {
    if (slot.load(std::memory_order_relaxed) == walk) return true;
  }
  return false;
}

bool remember(FTS* walk) {
  for (auto& slot : walks) {
    FTS* none = nullptr;
    if (slot.compare_exchange_strong(none, walk)) return true;
  }
  return false;
}

void forget(FTS* walk) {
  for (auto& slot : walks) {
    FTS* same = walk;
    if (slot.compare_exchange_strong(same, nullptr)) return;
  }
}

bool is_dot_name(const char* name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

void drop(FTSENT* entry) {
  if (entry == nullptr) return;
  free(entry->fts_path);
  free(entry->fts_statp);
  free(entry);
}

void drop_list(FTSENT* entry) {
  while (entry != nullptr) {
    FTSENT* const next = entry->fts_link;
    drop(entry);
    entry = next;
  }
}

/// An entry `name` below `parent`; roots have the whole path as their name.
FTSENT* make_entry(FTSENT* parent, const char* name, short level) {
  const std::size_t name_bytes = strlen(name);
  const char* const above = level > FTS_ROOTLEVEL ? parent->fts_path : "";
  std::size_t above_bytes = strlen(above);
  while (above_bytes > 0 && above[above_bytes - 1] == '/') --above_bytes;
  auto* const entry = static_cast<FTSENT*>(calloc(1, sizeof(FTSENT) + name_bytes));
  auto* const path = static_cast<char*>(malloc(above_bytes + name_bytes + 2));
  auto* const status = static_cast<struct stat*>(calloc(1, sizeof(struct stat)));
  if (entry == nullptr || path == nullptr || status == nullptr) {
    free(entry);
    free(path);
    free(status);
    errno = ENOMEM;
    return nullptr;
  }
  memcpy(path, above, above_bytes);
  std::size_t length = above_bytes;
  if (level > FTS_ROOTLEVEL) path[length++] = '/';
  memcpy(path + length, name, name_bytes + 1);
  memcpy(entry->fts_name, name, name_bytes + 1);
  entry->fts_path = entry->fts_accpath = path;
  entry->fts_pathlen = static_cast<unsigned short>(length + name_bytes);
  entry->fts_namelen = static_cast<unsigned short>(name_bytes);
  entry->fts_statp = status;
  entry->fts_parent = parent;
  entry->fts_level = level;
  entry->fts_instr = kNoInstruction;
  entry->fts_symfd = -1;
  return entry;
}

/// FTS_DC if an ancestor is the same directory, else FTS_D.
unsigned short directory_info(FTSENT* entry) {
  if (is_dot_name(entry->fts_name)) return FTS_DOT;
  for (FTSENT* above = entry->fts_parent; above->fts_level >= FTS_ROOTLEVEL; above = above->fts_parent) {
    if (above->fts_ino == entry->fts_ino && above->fts_dev == entry->fts_dev) {
      entry->fts_cycle = above;
      return FTS_DC;
    }
  }
  return FTS_D;
}

/// Fills in what is known about the file; returns fts_info.
unsigned short look_at(const FTS& walk, FTSENT* entry, bool follow) {
  const KeepErrno keep;
  struct stat& status = *entry->fts_statp;
  entry->fts_errno = 0;
  if (follow || (walk.fts_options & FTS_LOGICAL) != 0) {
    if (qnet_stat(entry->fts_accpath, &status) != 0) {
      entry->fts_errno = errno;
      if (qnet_lstat(entry->fts_accpath, &status) == 0) {
        entry->fts_errno = 0;
        return FTS_SLNONE;
      }
    }
  } else if (qnet_lstat(entry->fts_accpath, &status) != 0) {
    entry->fts_errno = errno;
  }
  if (entry->fts_errno != 0) {
    status = {};
    return FTS_NS;
  }
  entry->fts_dev = status.st_dev;
  entry->fts_ino = status.st_ino;
  entry->fts_nlink = status.st_nlink;
  if (S_ISDIR(status.st_mode)) return directory_info(entry);
  return S_ISLNK(status.st_mode) ? FTS_SL : S_ISREG(status.st_mode) ? FTS_F : FTS_DEFAULT;
}

bool needs_no_look(const FTS& walk, unsigned char type) {
  if ((walk.fts_options & FTS_NOSTAT) == 0 || type == DT_UNKNOWN || type == DT_DIR) return false;
  return type != DT_LNK || (walk.fts_options & FTS_LOGICAL) == 0;
}

FTSENT* sort_list(const FTS& walk, FTSENT* head, std::size_t count) {
  const auto compare = reinterpret_cast<Compare>(walk.fts_compar);
  if (compare == nullptr || count < 2) return head;
  auto** const array = static_cast<FTSENT**>(malloc(count * sizeof(FTSENT*)));
  if (array == nullptr) return head;
  std::size_t at = 0;
  for (FTSENT* entry = head; entry != nullptr; entry = entry->fts_link) array[at++] = entry;
  qsort(array, count, sizeof(*array), reinterpret_cast<int (*)(const void*, const void*)>(compare));
  for (std::size_t i = 0; i < count; ++i) array[i]->fts_link = i + 1 < count ? array[i + 1] : nullptr;
  head = array[0];
  free(array);
  return head;
}

enum class Purpose { kRead, kChildren, kNames };

/// The entries of a directory; null and fts_info FTS_DNR, FTS_ERR or (empty) FTS_DP.
FTSENT* build(FTS& walk, FTSENT* directory, Purpose purpose) {
  DIR* const stream = qnet_opendir(directory->fts_accpath);
  if (stream == nullptr) {
    directory->fts_errno = errno;
    if (purpose == Purpose::kRead) directory->fts_info = FTS_DNR;
    return nullptr;
  }
  FTSENT *head = nullptr, *tail = nullptr;
  std::size_t count = 0;
  bool has_failed = false;
  for (;;) {
    errno = 0;
    const struct dirent* const found = qnet_readdir(stream);
    if (found == nullptr) {
      directory->fts_errno = errno;
      break;
    }
    if ((walk.fts_options & FTS_SEEDOT) == 0 && is_dot_name(found->d_name)) continue;
    FTSENT* const entry = make_entry(directory, found->d_name, static_cast<short>(directory->fts_level + 1));
    if (entry == nullptr) {
      has_failed = true;
      break;
    }
    const bool is_name_enough = purpose == Purpose::kNames || needs_no_look(walk, found->d_type);
    entry->fts_info = is_name_enough ? FTS_NSOK : look_at(walk, entry, false);
    (tail == nullptr ? head : tail->fts_link) = entry;
    tail = entry;
    ++count;
  }
  {
    const KeepErrno keep;
    qnet_closedir(stream);
  }
  if (has_failed) {
    drop_list(head);
    directory->fts_info = FTS_ERR;
    walk.fts_options |= FTS_STOP;
    errno = ENOMEM;
    return nullptr;
  }
  if (head == nullptr && purpose == Purpose::kRead) directory->fts_info = directory->fts_errno != 0 ? FTS_ERR : FTS_DP;
  return sort_list(walk, head, count);
}

FTSENT* show(FTS& walk, FTSENT* entry) {
  walk.fts_cur = entry;
  if (entry != nullptr) {
    walk.fts_path = entry->fts_path;
    walk.fts_pathlen = entry->fts_pathlen;
  }
  return entry;
}

void drop_children(FTS& walk) {
  drop_list(walk.fts_child);
  walk.fts_child = nullptr;
}

/// fts_read() when the entry has been dealt with: its sibling, or its parent in post-order, or the end.
FTSENT* go_on(FTS& walk, FTSENT* entry) {
  for (;;) {
    FTSENT* const done = entry;
    FTSENT* const parent = done->fts_parent;
    entry = done->fts_link;
    drop(done);
    if (entry == nullptr) {
      if (parent->fts_level == FTS_ROOTPARENTLEVEL) {
        drop(parent);
        errno = 0;
        return show(walk, nullptr);
      }
      parent->fts_info = parent->fts_errno != 0 ? FTS_ERR : FTS_DP;
      return show(walk, parent);
    }
    if (entry->fts_level == FTS_ROOTLEVEL) walk.fts_dev = entry->fts_dev;
    if (entry->fts_instr == FTS_SKIP) continue;
    if (entry->fts_instr == FTS_FOLLOW) {
      entry->fts_info = look_at(walk, entry, true);
      entry->fts_instr = kNoInstruction;
    }
    return show(walk, entry);
  }
}

FTSENT* read_next(FTS& walk) {
  FTSENT* const entry = walk.fts_cur;
  if (entry == nullptr || (walk.fts_options & FTS_STOP) != 0) return nullptr;
  const unsigned short instruction = entry->fts_instr;
  entry->fts_instr = kNoInstruction;
  if (instruction == FTS_AGAIN) {
    entry->fts_info = look_at(walk, entry, false);
    return entry;
  }
  if (instruction == FTS_FOLLOW && (entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE)) {
    entry->fts_info = look_at(walk, entry, true);
    return entry;
  }
  if (entry->fts_info != FTS_D) return go_on(walk, entry);

  const bool is_other_device = (walk.fts_options & FTS_XDEV) != 0 && entry->fts_dev != walk.fts_dev;
  if (instruction == FTS_SKIP || is_other_device) {
    drop_children(walk);
    entry->fts_info = FTS_DP;
    return entry;
  }
  if ((walk.fts_options & FTS_NAMEONLY) != 0) {
    walk.fts_options &= ~FTS_NAMEONLY;
    drop_children(walk);
  }
  FTSENT* const children = walk.fts_child != nullptr ? walk.fts_child : build(walk, entry, Purpose::kRead);
  walk.fts_child = nullptr;
  if (children == nullptr) return (walk.fts_options & FTS_STOP) != 0 ? nullptr : entry;
  return show(walk, children);
}

/// Everything of a walk that has not been dropped yet.
void drop_walk(FTS& walk) {
  drop_children(walk);
  for (FTSENT* entry = walk.fts_cur; entry != nullptr;) {
    FTSENT* const next = entry->fts_link != nullptr ? entry->fts_link : entry->fts_parent;
    drop(entry);
    entry = next;
  }
}

bool add_roots(FTS& walk, char* const* roots, FTSENT* parent, FTSENT* start) {
  FTSENT* tail = nullptr;
  std::size_t count = 0;
  for (; *roots != nullptr; ++roots) {
    FTSENT* const entry = **roots == '\0' ? (errno = ENOENT, nullptr) : make_entry(parent, *roots, FTS_ROOTLEVEL);
    if (entry == nullptr) return false;
    entry->fts_info = look_at(walk, entry, (walk.fts_options & FTS_COMFOLLOW) != 0);
    if (entry->fts_info == FTS_DOT) entry->fts_info = FTS_D;  // As a root "." is a real directory.
    (tail == nullptr ? start->fts_link : tail->fts_link) = entry;
    tail = entry;
    ++count;
  }
  start->fts_link = sort_list(walk, start->fts_link, count);
  return true;
}

FTS* open_walk(char* const* roots, int options, Compare compare) {
  auto* const walk = static_cast<FTS*>(calloc(1, sizeof(FTS)));
  if (walk == nullptr) return nullptr;
  walk->fts_options = options | FTS_NOCHDIR;
  walk->fts_compar = reinterpret_cast<int (*)(const void*, const void*)>(compare);
  walk->fts_rfd = -1;
  FTSENT* const parent = make_entry(nullptr, "", FTS_ROOTPARENTLEVEL);
  FTSENT* const start = parent == nullptr ? nullptr : make_entry(parent, "", FTS_ROOTLEVEL);
  if (start == nullptr) {
    drop(parent);
    free(walk);
    return nullptr;
  }
  start->fts_info = FTS_INIT;
  walk->fts_cur = start;
  bool is_ready = add_roots(*walk, roots, parent, start);
  if (is_ready && !remember(walk)) {
    errno = EMFILE;
    is_ready = false;
  }
  if (is_ready) return walk;
  const KeepErrno keep;
  drop_walk(*walk);
  free(walk);
  return nullptr;
}

bool has_remote_root(char* const* roots) {
  for (; *roots != nullptr; ++roots) {
    if (leads_away(*roots)) return true;
  }
  return false;
}

}  // namespace
}  // namespace qnet::preload

using namespace qnet::preload;

extern "C" FTS* qnet_fts_open(char* const* roots, int options, int (*compare)(const FTSENT**, const FTSENT**)) {
  if ((options & ~FTS_OPTIONMASK) != 0 || !has_remote_root(roots)) return libc().fts_open(roots, options, compare);
  return open_walk(roots, options, compare);
}

extern "C" FTSENT* qnet_fts_read(FTS* walk) {
  return is_ours(walk) ? read_next(*walk) : libc().fts_read(walk);
}

extern "C" FTSENT* qnet_fts_children(FTS* walk, int instruction) {
  if (!is_ours(walk)) return libc().fts_children(walk, instruction);
  if (instruction != 0 && instruction != FTS_NAMEONLY) {
    errno = EINVAL;
    return nullptr;
  }
  errno = 0;
  FTSENT* const entry = walk->fts_cur;
  if (entry == nullptr || (walk->fts_options & FTS_STOP) != 0) return nullptr;
  if (entry->fts_info == FTS_INIT) return entry->fts_link;
  if (entry->fts_info != FTS_D) return nullptr;
  drop_children(*walk);
  if (instruction == FTS_NAMEONLY) walk->fts_options |= FTS_NAMEONLY;
  walk->fts_child = build(*walk, entry, instruction == FTS_NAMEONLY ? Purpose::kNames : Purpose::kChildren);
  return walk->fts_child;
}

extern "C" int qnet_fts_set(FTS* walk, FTSENT* entry, int instruction) {
  if (!is_ours(walk)) return libc().fts_set(walk, entry, instruction);
  const bool is_known = instruction == 0 || instruction == FTS_AGAIN || instruction == FTS_FOLLOW ||
                        instruction == FTS_NOINSTR || instruction == FTS_SKIP;
  if (!is_known) return refuse(EINVAL);
  entry->fts_instr = static_cast<unsigned short>(instruction);
  return 0;
}

extern "C" int qnet_fts_close(FTS* walk) {
  if (!is_ours(walk)) return libc().fts_close(walk);
  forget(walk);
  drop_walk(*walk);
  free(walk);
  return 0;
}
