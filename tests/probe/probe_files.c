// SPDX-License-Identifier: Apache-2.0
//
// probe_files.c: do the calls on an open file do what they should? (offsets, mapping, locks, allocation, terminals …)
//
// "limits" tells what a remote file cannot do; natively its answers differ.
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

#include "tests/probe/probe.h"

static void run_offsets(char** argv) {
  const char* const path = in(argv[0], "offsets");
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  struct iovec pieces[3] = {{(char*)"ab", 2}, {(char*)"", 0}, {(char*)"cdef", 4}};
  tell("writev", writev(fd, pieces, 3));
  tell("pwrite", pwrite(fd, "XY", 2, 10));
  tell("offset", lseek(fd, 0, SEEK_CUR));
  tell("end", lseek(fd, 0, SEEK_END));
  tell("beyond", lseek(fd, 6L << 30, SEEK_SET));
  tell("write far away", write(fd, "end", 3));
  struct stat status;
  tell("fstat", fstat(fd, &status));
  tell("size", (long)status.st_size);
  tell("sparse", status.st_blocks < 1024);
  tell("SEEK_DATA", lseek(fd, 1L << 30, SEEK_DATA) > 1L << 30);
  tell("SEEK_HOLE", lseek(fd, 0, SEEK_HOLE) < 1L << 30);
  tell("negative", lseek(fd, -1, SEEK_SET));
  tell("bad whence", lseek(fd, 0, 99));
  tell("pread negative", pread(fd, &status, 1, -1));
  tell("ftruncate", ftruncate(fd, 12));
  char a[4], b[20];
  struct iovec rooms[2] = {{a, sizeof(a)}, {b, sizeof(b)}};
  tell("preadv", preadv(fd, rooms, 2, 1));
  tell_bytes("first", a, 4);
  tell_bytes("second", b, 7);
  tell("preadv2", preadv2(fd, rooms, 2, 0, 0));
  tell("seek", lseek(fd, 3, SEEK_SET));
  tell("pwritev2 at the offset", pwritev2(fd, &(struct iovec){(char*)"!", 1}, 1, -1, 0));
  tell("offset", lseek(fd, 0, SEEK_CUR));
  tell("read nothing", read(fd, a, 0));
  const int read_only = open(path, O_RDONLY);
  tell("write to read-only", write(read_only, "x", 1));
  tell("ftruncate read-only", ftruncate(read_only, 1));
  const int path_only = open(path, O_PATH);
  tell("read from O_PATH", read(path_only, a, 1));
  tell("fstat of O_PATH", fstat(path_only, &status));
}

static void tell_mapping(const char* step, void* memory, size_t offset, size_t count) {
  if (memory == MAP_FAILED) tell(step, -1);
  else tell_bytes(step, (char*)memory + offset, count);
}

static void run_map(char** argv) {
  const char* const path = in(argv[0], "mapped");
  static char content[10000];
  for (size_t i = 0; i < sizeof(content); ++i) content[i] = (char)('a' + i % 26);
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  tell("write", write(fd, content, sizeof(content)));
  char* memory = mmap(NULL, 10000, PROT_READ, MAP_PRIVATE, fd, 0);
  tell_mapping("private", memory, 9990, 14);
  tell("munmap", munmap(memory, 10000));
  memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 4096);
  tell_mapping("offset", memory, 0, 5);
  memory[0] = '!';
  char byte = 0;
  tell("pread", pread(fd, &byte, 1, 4096));
  tell("file unchanged", byte == content[4096]);
  char* const fixed = mmap(memory, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
  tell("fixed", fixed == memory);
  tell_mapping("fixed", fixed, 0, 5);
  tell_status("occupied", mmap(memory, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0) != MAP_FAILED, 1);
  tell("length 0", mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
  tell("odd offset", mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 100) == MAP_FAILED ? -1 : 0);
  tell("no sharing", mmap(NULL, 1, PROT_READ, 0, fd, 0) == MAP_FAILED ? -1 : 0);
  const int read_only = open(path, O_RDONLY);
  memory = mmap(NULL, 10000, PROT_READ, MAP_SHARED, read_only, 0);
  tell_mapping("shared read-only", memory, 100, 5);
  tell("shared w of r", mmap(NULL, 1, PROT_WRITE, MAP_SHARED, read_only, 0) == MAP_FAILED ? -1 : 0);
  const int write_only = open(path, O_WRONLY);
  tell("of write-only", mmap(NULL, 1, PROT_READ, MAP_PRIVATE, write_only, 0) == MAP_FAILED ? -1 : 0);
  const int directory = open(argv[0], O_RDONLY | O_DIRECTORY);
  tell("of a directory", mmap(NULL, 1, PROT_READ, MAP_PRIVATE, directory, 0) == MAP_FAILED ? -1 : 0);
  const int path_only = open(path, O_PATH);
  tell("of O_PATH", mmap(NULL, 1, PROT_READ, MAP_PRIVATE, path_only, 0) == MAP_FAILED ? -1 : 0);
  close(fd);
  tell_mapping("after close", fixed, 0, 5);
}

static int lock_range(int fd, int command, short type, off_t start, off_t length) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  const int result = fcntl(fd, command, &lock);
  if (command == F_GETLK && result == 0) return lock.l_type;
  return result;
}

static void run_locks(char** argv) {
  const char* const path = in(argv[0], "locked");
  make_file(path, "0123456789");
  const int fd = open(path, O_RDWR);
  const int other = open(path, O_RDWR);
  tell("flock", flock(fd, LOCK_EX));
  tell("flock by another", flock(other, LOCK_EX | LOCK_NB));
  tell("flock shared", flock(fd, LOCK_SH));
  tell("flock shared by another", flock(other, LOCK_SH | LOCK_NB));
  tell("flock bad", flock(fd, 99));
  tell("unlock", flock(fd, LOCK_UN));
  close(other);
  tell("F_SETLK", lock_range(fd, F_SETLK, F_WRLCK, 2, 4));
  const int child = fork();
  if (child == 0) {
    const int own = open(path, O_RDWR);
    tell("F_GETLK", lock_range(own, F_GETLK, F_RDLCK, 0, 0));
    tell("F_SETLK overlapping", lock_range(own, F_SETLK, F_WRLCK, 5, 1));
    tell("F_SETLK beside", lock_range(own, F_SETLK, F_WRLCK, 6, 1));
    tell("seek", lseek(own, 3, SEEK_SET));
    tell("lockf test", lockf(own, F_TEST, 1));
    tell("lockf try", lockf(own, F_TLOCK, 1));
    tell("lockf bad", lockf(own, 77, 1));
    _exit(0);
  }
  tell_child("child", child);
  tell("lock of the child is gone", lock_range(fd, F_SETLK, F_WRLCK, 6, 1));
  tell("unlock", lock_range(fd, F_SETLK, F_UNLCK, 0, 0));
  int ready[2], go[2];
  if (pipe(ready) != 0 || pipe(go) != 0) exit(3);
  const int holder = fork();
  if (holder == 0) {
    const int own = open(path, O_RDWR);
    char letter = 'l';
    close(go[1]);
    if (lock_range(own, F_SETLK, F_WRLCK, 0, 1) != 0 || write(ready[1], &letter, 1) != 1) _exit(1);
    _exit(read(go[0], &letter, 1) == 0 ? 0 : 2);
  }
  char letter = 0;
  tell("child has locked", read(ready[0], &letter, 1));
  tell("busy", lock_range(fd, F_SETLK, F_WRLCK, 0, 1));
  close(go[1]);
  tell("F_SETLKW", lock_range(fd, F_SETLKW, F_WRLCK, 0, 1));
  tell("lockf again", lockf(fd, F_LOCK, 2));
  tell("lockf unlock", lockf(fd, F_ULOCK, 0));
  tell_child("holder", holder);
}

static void run_storage(char** argv) {
  const char* const path = in(argv[0], "stored");
  make_file(path, "0123456789");
  const int fd = open(path, O_RDWR);
  tell("fsync", fsync(fd));
  tell("fdatasync", fdatasync(fd));
  tell("syncfs", syncfs(fd));
  tell("sync_file_range", sync_file_range(fd, 0, 10, SYNC_FILE_RANGE_WRITE));
  tell("sync_file_range bad", sync_file_range(fd, 0, 10, 4096));
  tell("fallocate", fallocate(fd, 0, 0, 20000));
  tell("fallocate nothing", fallocate(fd, 0, 0, 0));
  tell("size", lseek(fd, 0, SEEK_END));
  tell_number("posix_fallocate", posix_fallocate(fd, 20000, 4000));
  tell_number("posix_fallocate nothing", posix_fallocate(fd, 0, 0));
  tell("size", lseek(fd, 0, SEEK_END));
  errno = 0;
  tell_number("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
  tell_number("posix_fadvise willneed", posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
  tell_number("posix_fadvise bad", posix_fadvise(fd, 0, 0, 99));
  tell("readahead", readahead(fd, 0, 4096));
  tell("fpathconf", fpathconf(fd, _PC_NAME_MAX));
  errno = 0;
  tell_status("fpathconf bad", fpathconf(fd, 9999), errno != 0);
  const int closed = open(path, O_RDONLY);
  close(closed);
  tell("fsync closed", fsync(closed));
  const int read_only = open(path, O_RDONLY);
  tell("fsync read-only", fsync(read_only));
  tell("fallocate read-only", fallocate(read_only, 0, 0, 10));
  const int directory = open(argv[0], O_RDONLY | O_DIRECTORY);
  tell("fsync directory", fsync(directory));
  tell("fallocate directory", fallocate(directory, 0, 0, 10));
  const int path_only = open(path, O_PATH);
  tell("fsync O_PATH", fsync(path_only));
}

static void run_terminal(char** argv) {
  const char* const path = in(argv[0], "terminal");
  make_file(path, "0123456789");
  const int fd = open(path, O_RDWR);
  struct termios settings;
  struct winsize size;
  char name[64];
  int number = 0;
  tell_status("isatty", isatty(fd), 1);
  tell_status("ttyname", ttyname(fd) != NULL, 1);
  tell_number("ttyname_r", ttyname_r(fd, name, sizeof(name)));
  tell("tcgetattr", tcgetattr(fd, &settings));
  memset(&settings, 0, sizeof(settings));
  tell("tcsetattr", tcsetattr(fd, TCSANOW, &settings));
  tell("tcdrain", tcdrain(fd));
  tell("tcflush", tcflush(fd, TCIFLUSH));
  tell("tcgetpgrp", tcgetpgrp(fd));
  tell("TIOCGWINSZ", ioctl(fd, TIOCGWINSZ, &size));
  tell("FIONREAD", ioctl(fd, FIONREAD, &number));
  tell("readable", number);
  lseek(fd, 4, SEEK_SET);
  tell("FIONREAD", ioctl(fd, FIONREAD, &number));
  tell("readable", number);
  tell("FIOCLEX", ioctl(fd, FIOCLEX));
  tell("F_GETFD", fcntl(fd, F_GETFD));
  tell("FIONCLEX", ioctl(fd, FIONCLEX));
  tell("F_GETFD", fcntl(fd, F_GETFD));
  number = 1;
  tell("FIONBIO", ioctl(fd, FIONBIO, &number));
  tell("F_GETFL", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  tell("unknown", ioctl(fd, 0x12345678, &number));
  const int path_only = open(path, O_PATH);
  tell("O_PATH", ioctl(path_only, FIONREAD, &number));
  tell_status("isatty O_PATH", isatty(path_only), 1);
}

static void run_temporary(char** argv) {
  char name[4200], kept[4200];
  snprintf(name, sizeof(name), "%s/made-XXXXXX", argv[0]);
  int fd = mkstemp(name);
  tell_status("mkstemp", fd >= 0, fd < 0);
  tell("replaced", strstr(name, "XXXXXX") == NULL && strlen(name) == strlen(argv[0]) + 12);
  struct stat status;
  tell("fstat", fstat(fd, &status));
  tell("mode", status.st_mode & 0777);
  tell("read-write", fcntl(fd, F_GETFL) & O_ACCMODE);
  snprintf(kept, sizeof(kept), "%s/made-XXXXXX.txt", argv[0]);
  fd = mkostemps(kept, 4, O_CLOEXEC | O_APPEND);
  tell_status("mkostemps", fd >= 0, fd < 0);
  tell("close-on-exec", fcntl(fd, F_GETFD));
  tell("unlink", unlink(name) + unlink(kept));
  snprintf(name, sizeof(name), "%s/dir-XXXXXX", argv[0]);
  tell_status("mkdtemp", mkdtemp(name) == name, 0);
  tell("rmdir", rmdir(name));
  snprintf(name, sizeof(name), "%s/bad-XXXXX", argv[0]);
  tell("mkstemp bad template", mkstemp(name));
  snprintf(name, sizeof(name), "%s/none/made-XXXXXX", argv[0]);
  tell("mkstemp no directory", mkstemp(name));
  tell_status("mkdtemp no directory", mkdtemp(name) != NULL, 1);
  setenv("TMPDIR", argv[0], 1);
  char* const chosen = tempnam(NULL, "pre");
  tell("tempnam", chosen != NULL && strncmp(chosen, argv[0], strlen(argv[0])) == 0);
  tell("does not exist", chosen == NULL ? 0 : access(chosen, F_OK));
  free(chosen);
  FILE* const stream = tmpfile();
  tell_status("tmpfile", stream != NULL, stream == NULL);
  tell("fputs", fputs("kept\n", stream) >= 0);
  rewind(stream);
  tell_text("fgets", fgets(name, sizeof(name), stream));
  tell("links", fstat(fileno(stream), &status) == 0 ? (long)status.st_nlink : -1);
}

static void run_limits(char** argv) {
  const char* const path = in(argv[0], "limits");
  make_file(path, "0123456789");
  const int fd = open(path, O_RDWR);
  const int other = open(in(argv[0], "limits2"), O_RDWR | O_CREAT, 0644);
  const int local = open("/dev/null", O_WRONLY);
  int ends[2];
  if (pipe(ends) != 0) exit(3);
  char value[16];
  tell("getxattr", getxattr(path, "user.none", value, sizeof(value)));
  tell("getxattr missing", getxattr(in(argv[0], "none"), "user.none", value, sizeof(value)));
  tell("fsetxattr", fsetxattr(fd, "user.a", "b", 1, 0));
  tell("llistxattr", llistxattr(path, value, sizeof(value)));
  tell("copy_file_range", copy_file_range(fd, NULL, other, NULL, 5, 0));
  tell("sendfile", sendfile(local, fd, NULL, 5));
  tell("splice", splice(fd, NULL, ends[1], NULL, 5, 0));
  tell("FICLONE", ioctl(other, FICLONE, fd));
  tell("preadv2 flags", preadv2(fd, &(struct iovec){value, 1}, 1, 0, RWF_HIPRI));
  void* const shared = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  tell("shared writable", shared == MAP_FAILED ? -1 : 0);
  const int watcher = inotify_init1(IN_CLOEXEC);
  tell("inotify", inotify_add_watch(watcher, path, IN_MODIFY) < 0 ? -1 : 0);
  tell("inotify missing", inotify_add_watch(watcher, in(argv[0], "none"), IN_MODIFY));
  struct {
    struct file_handle head;
    unsigned char rest[MAX_HANDLE_SZ];
  } handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
  int mount = 0;
  tell("name_to_handle_at", name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0));
  tell("chroot missing", chroot(in(argv[0], "none")));
}

const struct command file_commands[] = {
    {"offsets", "DIRECTORY", 1, run_offsets},
    {"map", "DIRECTORY", 1, run_map},
    {"locks", "DIRECTORY", 1, run_locks},
    {"storage", "DIRECTORY", 1, run_storage},
    {"terminal", "DIRECTORY", 1, run_terminal},
    {"temporary", "DIRECTORY", 1, run_temporary},
    {"limits", "DIRECTORY (differs)", 1, run_limits},
    {NULL, NULL, 0, NULL},
};
