// SPDX-License-Identifier: Apache-2.0
//
// init.c: what is a node made of?
//
// A node is one init (pid 1 of its own namespaces) and what it holds. Everything a node writes lies in a tmpfs of its
// mount namespace, so killing the init leaves nothing. STATE is in the init's arguments: the lab finds its nodes by it,
// even when nothing else is left of it.
//
// Threads: one.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/labnet/node.h"

enum { kPathsMax = 32 };

struct NodeSpec {
  const char* state;
  const char* name;
  const char* overlays[kPathsMax];  // other file systems of the machine that belong to the node's root
  int overlay_count;
  const char* shown[kPathsMax];  // folders visible read-only at their own path
  int shown_count;
  bool network_only;
};

/// "root" + `path`; the caller has changed into the folder that holds "root".
static const char* in_root(const char* path) {
  static char buffer[PATH_MAX];
  if (snprintf(buffer, sizeof buffer, "root%s", path) >= (int)sizeof buffer) {
    errno = ENAMETOOLONG;
    lab_fail("%s", path);
  }
  return buffer;
}

static void mount_or_fail(const char* source, const char* target, const char* type, unsigned long flags,
                          const char* options) {
  if (mount(source, target, type, flags, options) != 0) lab_fail("cannot mount %s on %s", source, target);
}

static void make_folder(const char* path, mode_t mode) {
  if (mkdir(path, mode) != 0 && errno != EEXIST) lab_fail("cannot make the folder %s", path);
  if (chmod(path, mode) != 0) lab_fail("cannot set the mode of %s", path);
}

static void make_parents(const char* path) {
  char part[PATH_MAX];
  for (size_t length = 1; path[length - 1] != '\0'; ++length) {
    if (path[length] != '/' && path[length] != '\0') continue;
    snprintf(part, sizeof part, "%.*s", (int)length, path);
    if (mkdir(in_root(part), 0755) != 0 && errno != EEXIST) lab_fail("cannot make the folder %s", part);
  }
}

static void make_device(const char* path, unsigned int major_number, unsigned int minor_number) {
  if (mknod(in_root(path), S_IFCHR | 0666, makedev(major_number, minor_number)) != 0 ||
      chmod(in_root(path), 0666) != 0) {
    lab_fail("cannot make the device %s", path);
  }
}

static void mount_overlay(const char* lower, int number) {
  char upper[32];
  char work[32];
  char options[PATH_MAX + 128];
  struct stat attributes;
  snprintf(upper, sizeof upper, "upper%d", number);
  snprintf(work, sizeof work, "work%d", number);
  if (stat(lower, &attributes) != 0) lab_fail("%s", lower);
  make_folder(upper, attributes.st_mode & 07777);
  make_folder(work, 0755);
  if (chown(upper, attributes.st_uid, attributes.st_gid) != 0) lab_fail("cannot set the owner of %s", upper);
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,redirect_dir=on", lower, upper, work);
  mount_or_fail("overlay", in_root(strcmp(lower, "/") == 0 ? "" : lower), "overlay", 0, options);
}

static void fill_dev(void) {
  static const struct {
    const char* path;
    unsigned int major_number;
    unsigned int minor_number;
  } kDevices[] = {{"/dev/null", 1, 3},    {"/dev/zero", 1, 5}, {"/dev/full", 1, 7},   {"/dev/random", 1, 8},
                  {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},  {"/dev/fuse", 10, 229}};
  static const struct {
    const char* target;
    const char* path;
  } kLinks[] = {{"/proc/self/fd", "/dev/fd"},
                {"/proc/self/fd/0", "/dev/stdin"},
                {"/proc/self/fd/1", "/dev/stdout"},
                {"/proc/self/fd/2", "/dev/stderr"},
                {"pts/ptmx", "/dev/ptmx"}};
  mount_or_fail("dev", in_root("/dev"), "tmpfs", MS_NOSUID, "mode=755");
  for (size_t i = 0; i < sizeof kDevices / sizeof kDevices[0]; ++i) {
    make_device(kDevices[i].path, kDevices[i].major_number, kDevices[i].minor_number);
  }
  make_folder(in_root("/dev/net"), 0755);
  make_device("/dev/net/tun", 10, 200);
  for (size_t i = 0; i < sizeof kLinks / sizeof kLinks[0]; ++i) {
    if (symlink(kLinks[i].target, in_root(kLinks[i].path)) != 0) lab_fail("cannot make %s", kLinks[i].path);
  }
  make_folder(in_root("/dev/pts"), 0755);
  make_folder(in_root("/dev/shm"), 01777);
  make_folder(in_root("/dev/mqueue"), 01777);
  mount_or_fail("devpts", in_root("/dev/pts"), "devpts", MS_NOSUID | MS_NOEXEC,
                "newinstance,ptmxmode=0666,mode=620,gid=5");
  mount_or_fail("shm", in_root("/dev/shm"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
  mount_or_fail("mqueue", in_root("/dev/mqueue"), "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void show_read_only(const char* path) {
  make_parents(path);
  mount_or_fail(path, in_root(path), NULL, MS_BIND, NULL);
  mount_or_fail("none", in_root(path), NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

/// Builds the node's tree below STATE/nodes/NAME and makes it the root. Everything is the namespace's own.
static void build_root(const struct NodeSpec* spec) {
  char place[PATH_MAX];
  if (snprintf(place, sizeof place, "%s/nodes/%s", spec->state, spec->name) >= (int)sizeof place) lab_usage();
  mount_or_fail("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mount_or_fail("node", place, "tmpfs", 0, "mode=755");
  if (chdir(place) != 0) lab_fail("%s", place);
  make_folder("root", 0755);
  mount_overlay("/", 0);
  for (int i = 0; i < spec->overlay_count; ++i) mount_overlay(spec->overlays[i], i + 1);

  mount_or_fail("tmp", in_root("/tmp"), "tmpfs", 0, "mode=1777");
  mount_or_fail("run", in_root("/run"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
  make_folder(in_root("/run/lock"), 01777);
  make_folder(in_root("/run/qnet"), 0755);
  mount_or_fail("proc", in_root("/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  mount_or_fail("sys", in_root("/sys"), "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  fill_dev();
  for (int i = 0; i < spec->shown_count; ++i) show_read_only(spec->shown[i]);

  if (chdir("root") != 0 || syscall(SYS_pivot_root, ".", ".") != 0) lab_fail("cannot change the root");
  if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) lab_fail("cannot leave the old root");
}

static void bring_up_loopback(void) {
  struct ifreq request = {.ifr_name = "lo"};
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0) lab_fail("lo");
  request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) lab_fail("lo");
  close(fd);
}

/// IPv6 addresses of the links are usable at once: nobody else can have them. No IPv6 is fine.
static void skip_address_detection(void) {
  const int fd = open("/proc/sys/net/ipv6/conf/default/accept_dad", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "0", 1) != 1) lab_fail("accept_dad");
  close(fd);
}

static void take_standard_descriptors_to_null(void) {
  const int null = open("/dev/null", O_RDWR);
  if (null < 0) lab_fail("/dev/null");
  for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
  if (close_range(3, UINT_MAX, 0) != 0) lab_fail("close_range");
}

_Noreturn static void reap_for_ever(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  for (;;) {
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    sigwaitinfo(&signals, NULL);
  }
}

_Noreturn static void become_init(const struct NodeSpec* spec, int ready) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  signal(SIGCHLD, SIG_DFL);
  umask(0);
  setsid();
  if (!spec->network_only) {
    if (sethostname(spec->name, strlen(spec->name)) != 0) lab_fail("sethostname");
    skip_address_detection();
    build_root(spec);
    bring_up_loopback();
  } else if (chdir("/") != 0) {
    lab_fail("/");
  }
  umask(022);
  if (write(ready, "1", 1) != 1) lab_fail("cannot report");
  take_standard_descriptors_to_null();
  reap_for_ever();
}

int run_init(int count, char** arguments, bool network_only) {
  struct NodeSpec spec = {.network_only = network_only};
  if (count < 2) lab_usage();
  spec.state = arguments[0];
  spec.name = arguments[1];
  for (int i = 2; i < count; i += 2) {
    if (i + 1 == count || spec.overlay_count == kPathsMax || spec.shown_count == kPathsMax) lab_usage();
    if (strcmp(arguments[i], "--overlay") == 0) spec.overlays[spec.overlay_count++] = arguments[i + 1];
    else if (strcmp(arguments[i], "--show") == 0) spec.shown[spec.shown_count++] = arguments[i + 1];
    else lab_usage();
  }
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) lab_fail("pipe");
  if (unshare(network_only ? CLONE_NEWNET : kNodeNamespaces) != 0) lab_fail("cannot make namespaces (root is needed)");
  const pid_t child = fork();
  if (child < 0) lab_fail("fork");
  if (child == 0) become_init(&spec, ready[1]);

  close(ready[1]);
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) {
    waitpid(child, NULL, 0);
    return 1;
  }
  printf("%d\n", (int)child);
  return 0;
}
