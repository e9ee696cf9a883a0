// SPDX-License-Identifier: Apache-2.0
//
// probe_walks.c: do glob(), ftw(), nftw() and fts see a whole tree? (order of entries made alphabetical)
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/probe/probe.h"

enum { kLinesMax = 256 };
static char* lines[kLinesMax];
static int line_count;
static size_t root_bytes;

static void make_tree(const char* root) {
  mkdir(root, 0755);
  mkdir(in(root, "a"), 0755);
  mkdir(in(root, "a/deep"), 0755);
  mkdir(in(root, "b"), 0755);
  mkdir(in(root, "empty"), 0755);
  make_file(in(root, "one.txt"), "1");
  make_file(in(root, "two.txt"), "22");
  make_file(in(root, "a/three.txt"), "333");
  make_file(in(root, "a/deep/four.txt"), "4444");
  make_file(in(root, "b/.five.txt"), "55555");
  if (symlink("a", in(root, "to-a")) != 0 && errno != EEXIST) exit(3);
  if (symlink("nowhere", in(root, "broken")) != 0 && errno != EEXIST) exit(3);
  if (symlink("..", in(root, "b/up")) != 0 && errno != EEXIST) exit(3);
}

static void add_line(const char* text) {
  if (line_count < kLinesMax) lines[line_count++] = strdup(text);
}
static int by_text(const void* a, const void* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}
static void tell_lines(const char* step) {
  qsort(lines, (size_t)line_count, sizeof(lines[0]), by_text);
  for (int i = 0; i < line_count; ++i) {
    tell_text(step, lines[i]);
    free(lines[i]);
  }
  line_count = 0;
}

static void run_glob(char** argv) {
  const char* const root = in(argv[0], "walk");
  make_tree(root);
  const char* const patterns[] = {"*.txt",   "*/*.txt", "a/*/*.txt",     "[ab]/*", "none*",
                                  "one.txt", "*",       "{one,two}.txt", "b/.*",   "*/"};
  for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); ++i) {
    glob_t found;
    const int result = glob(in(root, patterns[i]), GLOB_BRACE | GLOB_MARK, NULL, &found);
    tell(patterns[i], result);
    for (size_t k = 0; result == 0 && k < found.gl_pathc; ++k) tell_text("found", found.gl_pathv[k] + strlen(root));
    globfree(&found);
  }
  glob_t found;
  tell("nocheck", glob(in(root, "none*"), GLOB_NOCHECK, NULL, &found));
  tell("one", (long)found.gl_pathc);
  globfree(&found);
  tell("chdir", chdir(root));
  tell("relative", glob("*.txt", 0, NULL, &found));
  for (size_t k = 0; k < found.gl_pathc; ++k) tell_text("found", found.gl_pathv[k]);
  tell("append", glob("a/*", GLOB_APPEND | GLOB_ONLYDIR, NULL, &found));
  tell("count", (long)found.gl_pathc);
  globfree(&found);
}

static int visit_plain(const char* path, const struct stat* status, int type) {
  char line[600];
  snprintf(line, sizeof(line), "%s type %d size %ld", path + root_bytes, type,
           type == FTW_F ? (long)status->st_size : 0L);
  add_line(line);
  return 0;
}
static int visit(const char* path, const struct stat* status, int type, struct FTW* where) {
  char line[600];
  snprintf(line, sizeof(line), "%s type %d size %ld name %s level %d", path + root_bytes, type,
           type == FTW_F ? (long)status->st_size : 0L, path + where->base, where->level);
  add_line(line);
  return 0;
}
static int visit_here(const char* path, const struct stat* status, int type, struct FTW* where) {
  struct stat here;
  const int is_reachable = type == FTW_SLN || type == FTW_NS || lstat(path + where->base, &here) == 0;
  (void)status;
  char line[600];
  snprintf(line, sizeof(line), "%s type %d reachable %d", path + root_bytes, type, is_reachable);
  add_line(line);
  return 0;
}
static int stop_at_three(const char* path, const struct stat* status, int type, struct FTW* where) {
  (void)status, (void)type;
  return strcmp(path + where->base, "three.txt") == 0 ? 33 : 0;
}
static int skip_a(const char* path, const struct stat* status, int type, struct FTW* where) {
  visit(path, status, type, where);
  return strcmp(path + where->base, "a") == 0 ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
}

static void run_nftw(char** argv) {
  const char* const root = in(argv[0], "walk");
  make_tree(root);
  root_bytes = strlen(root);
  tell("ftw", ftw(root, visit_plain, 5));
  tell_lines("ftw");
  tell("nftw physical", nftw(root, visit, 5, FTW_PHYS));
  tell_lines("physical");
  tell("nftw depth", nftw(root, visit, 1, FTW_PHYS | FTW_DEPTH | FTW_MOUNT));
  tell_lines("depth");
  tell("nftw chdir", nftw(root, visit_here, 5, FTW_PHYS | FTW_CHDIR));
  tell_lines("chdir");
  tell("nftw stopped", nftw(root, stop_at_three, 5, FTW_PHYS));
  tell("nftw skip", nftw(root, skip_a, 5, FTW_PHYS | FTW_ACTIONRETVAL));
  tell_lines("skip");
  tell("nftw of a file", nftw(in(root, "one.txt"), visit, 5, 0));
  tell_lines("file");
  tell("nftw missing", nftw(in(root, "none"), visit, 5, 0));
}

static int by_entry_name(const FTSENT** a, const FTSENT** b) {
  return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void walk_fts(const char* root, const char* step, int options) {
  char* const roots[] = {(char*)root, NULL};
  FTS* const walk = fts_open(roots, options, by_entry_name);
  tell_status(step, walk != NULL, walk == NULL);
  if (walk == NULL) return;
  FTSENT* entry;
  errno = 0;
  while ((entry = fts_read(walk)) != NULL) {
    char line[600];
    snprintf(line, sizeof(line), "%s info %d level %d", entry->fts_path + root_bytes, entry->fts_info,
             entry->fts_level);
    tell_text(step, line);
    if (strcmp(entry->fts_name, "deep") == 0 && entry->fts_info == FTS_D) fts_set(walk, entry, FTS_SKIP);
    errno = 0;
  }
  tell_status("end", 0, errno != 0);
  tell("fts_close", fts_close(walk));
}

static void run_fts(char** argv) {
  const char* const root = in(argv[0], "walk");
  make_tree(root);
  root_bytes = strlen(root);
  walk_fts(root, "physical", FTS_PHYSICAL | FTS_NOCHDIR);
  walk_fts(root, "logical", FTS_LOGICAL | FTS_NOCHDIR);
  walk_fts(root, "nostat", FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT | FTS_XDEV);
  walk_fts(in(root, "none"), "missing", FTS_PHYSICAL | FTS_NOCHDIR);
  char* const roots[] = {(char*)root, NULL};
  FTS* const walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_entry_name);
  fts_read(walk);
  for (const FTSENT* child = fts_children(walk, FTS_NAMEONLY); child != NULL; child = child->fts_link) {
    tell_text("child", child->fts_name);
  }
  tell("closed early", fts_close(walk));
}

const struct command walk_commands[] = {
    {"glob", "DIRECTORY", 1, run_glob},
    {"nftw", "DIRECTORY", 1, run_nftw},
    {"fts", "DIRECTORY", 1, run_fts},
    {NULL, NULL, 0, NULL},
};
