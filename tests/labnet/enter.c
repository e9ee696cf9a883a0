// SPDX-License-Identifier: Apache-2.0
//
// enter.c: how does a command get into a node, and who ends it?
//
// CMD keeps the caller's descriptors, terminal, session and process group. Its parent is a keeper inside the node,
// which kills CMD when exec itself is killed (PR_SET_PDEATHSIG would not do: the kernel forgets it when CMD changes its
// identity) and is the child of the node's init, so that nothing of it has to be reaped outside.
//
// Threads: one.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/labnet/node.h"

enum { kGroupsMax = 256, kExitCannotRun = 126, kExitNotFound = 127 };

struct Command {
  pid_t init;
  const char* folder;      // working directory, "/" where the node lacks it
  const char* preload;     // put before what LD_PRELOAD holds
  const char* spare_path;  // where CMD is looked for when PATH has none
  bool has_identity;
  uid_t uid;
  gid_t gid;
  gid_t groups[kGroupsMax];
  size_t group_count;
  char** words;
  char* first_argument;  // of this program
};

static unsigned int to_number(const char* text) {
  char* end = NULL;
  errno = 0;
  const unsigned long value = strtoul(text, &end, 10);
  if (errno != 0 || end == text || (*end != '\0' && *end != ',') || value > UINT_MAX) lab_usage();
  return (unsigned int)value;
}

/// "uid,gid,group,group…"
static void read_identity(struct Command* command, const char* text) {
  command->has_identity = true;
  command->uid = to_number(text);
  const char* comma = strchr(text, ',');
  if (comma == NULL) lab_usage();
  command->gid = to_number(comma + 1);
  while ((comma = strchr(comma + 1, ',')) != NULL) {
    if (command->group_count == kGroupsMax) lab_usage();
    command->groups[command->group_count++] = to_number(comma + 1);
  }
}

static struct Command read_command(int count, char** arguments) {
  struct Command command = {.folder = "/"};
  if (count < 3) lab_usage();
  command.init = (pid_t)to_number(arguments[0]);
  int i = 1;
  for (; i + 1 < count && strcmp(arguments[i], "--") != 0; i += 2) {
    if (strcmp(arguments[i], "--folder") == 0) command.folder = arguments[i + 1];
    else if (strcmp(arguments[i], "--preload") == 0) command.preload = arguments[i + 1];
    else if (strcmp(arguments[i], "--spare-path") == 0) command.spare_path = arguments[i + 1];
    else if (strcmp(arguments[i], "--identity") == 0) read_identity(&command, arguments[i + 1]);
    else lab_usage();
  }
  if (i + 1 >= count) lab_usage();
  command.words = arguments + i + 1;
  command.first_argument = arguments[0];
  return command;
}

static void enter_node(pid_t init) {
  const int node = (int)syscall(SYS_pidfd_open, init, 0);
  if (node < 0) lab_fail("the node is not running");
  if (setns(node, kNodeNamespaces) != 0) lab_fail("cannot enter the node");
  close(node);
}

static void set_preload(const char* library) {
  const char* present = getenv("LD_PRELOAD");
  char* joined = NULL;
  if (present == NULL || *present == '\0') setenv("LD_PRELOAD", library, 1);
  else if (asprintf(&joined, "%s:%s", library, present) > 0) setenv("LD_PRELOAD", joined, 1);
}

_Noreturn static void run_command(const struct Command* command) {
  if (command->has_identity) {
    if (setgroups(command->group_count, command->groups) != 0 ||
        setresgid(command->gid, command->gid, command->gid) != 0 ||
        setresuid(command->uid, command->uid, command->uid) != 0) {
      lab_fail("cannot become uid %u", command->uid);
    }
  }
  if (chdir(command->folder) != 0 && chdir("/") != 0) lab_fail("/");
  if (command->preload != NULL) set_preload(command->preload);

  const char* name = command->words[0];
  execvp(name, command->words);
  int error = errno;
  char* spare = NULL;
  if (error == ENOENT && command->spare_path != NULL && strchr(name, '/') == NULL &&
      asprintf(&spare, "%s/%s", command->spare_path, name) > 0) {
    execv(spare, command->words);
    if (errno != ENOENT) error = errno;
  }
  fprintf(stderr, "lab: %s: %s\n", name, strerror(error));
  _exit(error == ENOENT ? kExitNotFound : kExitCannotRun);
}

/// 0 in a new process whose parent is the node's init, so that nobody outside has to reap it; 1 in the caller.
static int fork_into_node(void) {
  const pid_t middle = fork();
  if (middle < 0) lab_fail("fork");
  if (middle == 0) {
    const pid_t child = fork();
    if (child != 0) _exit(child < 0);
    return 0;
  }
  int status;
  if (waitpid(middle, &status, 0) != middle || status != 0) lab_fail("fork");
  return 1;
}

/// Makes `first` and `second` descriptors 0 and 1 and closes all others: they belong to the command, and whoever reads
/// what it writes must see end of file when it closes them.
static void keep_only(int first, int second) {
  const int high_first = fcntl(first, F_DUPFD, 10);
  const int high_second = fcntl(second, F_DUPFD, 10);
  if (dup2(high_first, 0) != 0 || dup2(high_second, 1) != 1 || close_range(2, UINT_MAX, 0) != 0) _exit(1);
}

/// So that pgrep and pkill on the node do not take the keeper for the command.
static void blank_arguments(const struct Command* command) {
  char** last = command->words;
  while (last[1] != NULL) ++last;
  memset(command->first_argument, 0, (size_t)(*last + strlen(*last) - command->first_argument));
}

/// The command's parent, inside the node. Takes signals for it from `exec_end` (a byte each) and reports its status
/// there (one int). When exec is gone, the command is killed.
_Noreturn static void keep(const struct Command* command, int exec_end, const sigset_t* command_mask,
                           void (*command_child_action)(int)) {
  const pid_t child = fork();
  if (child < 0) _exit(1);
  if (child == 0) {
    signal(SIGCHLD, command_child_action);
    sigprocmask(SIG_SETMASK, command_mask, NULL);
    run_command(command);
  }
  setsid();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  blank_arguments(command);
  keep_only(exec_end, (int)syscall(SYS_pidfd_open, child, 0));

  struct pollfd events[2] = {{.fd = 0, .events = POLLIN}, {.fd = 1, .events = POLLIN}};
  while (poll(events, 2, -1) < 0 || (events[1].revents & POLLIN) == 0) {
    unsigned char number;
    if (events[0].revents == 0) continue;
    if (read(0, &number, 1) == 1) {
      kill(child, number);
      continue;
    }
    kill(child, SIGKILL);
    events[0].fd = -1;
    events[0].revents = 0;
  }
  int status = 0;
  waitpid(child, &status, 0);
  _exit(write(0, &status, sizeof status) < 0);
}

/// What kill(1) sends to exec goes on to the command. What the terminal sends, the command has got already.
static int wait_for_status(int keeper, int signals) {
  struct pollfd events[2] = {{.fd = keeper, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  for (;;) {
    if (poll(events, 2, -1) < 0) continue;
    struct signalfd_siginfo info;
    if ((events[1].revents & POLLIN) != 0 && read(signals, &info, sizeof info) == sizeof info && info.ssi_code <= 0) {
      const unsigned char number = (unsigned char)info.ssi_signo;
      send(keeper, &number, 1, MSG_NOSIGNAL);
    }
    if (events[0].revents == 0) continue;
    int status;
    if (read(keeper, &status, sizeof status) != sizeof status) return 128 + SIGKILL;  // the node is gone
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
}

int run_exec(int count, char** arguments) {
  static const int kPassedOn[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};
  const struct Command command = read_command(count, arguments);
  sigset_t signals;
  sigset_t previous;
  sigemptyset(&signals);
  for (size_t i = 0; i < sizeof kPassedOn / sizeof kPassedOn[0]; ++i) sigaddset(&signals, kPassedOn[i]);
  sigprocmask(SIG_BLOCK, &signals, &previous);
  void (*const child_action)(int) = signal(SIGCHLD, SIG_DFL);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) lab_fail("socketpair");
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  if (signal_fd < 0) lab_fail("signalfd");
  enter_node(command.init);
  if (fork_into_node() == 0) keep(&command, pair[1], &previous, child_action);
  keep_only(pair[0], signal_fd);
  return wait_for_status(0, 1);
}

/// The sender's pid as this process knows it: the kernel translates between the namespaces.
static pid_t receive_pid(int from) {
  char byte;
  struct iovec piece = {.iov_base = &byte, .iov_len = 1};
  union {
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr align;
  } control;
  struct msghdr message = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(from, &message, 0) != 1) lab_fail("recvmsg");
  const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_type != SCM_CREDENTIALS) lab_fail("no credentials");
  struct ucred sender;
  memcpy(&sender, CMSG_DATA(header), sizeof sender);
  return sender.pid;
}

int run_spawn(int count, char** arguments) {
  const struct Command command = read_command(count, arguments);
  int pair[2];
  const int on = 1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
      setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    lab_fail("socketpair");
  }
  enter_node(command.init);
  if (fork_into_node() == 0) {
    setsid();
    if (write(pair[1], "1", 1) != 1 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) lab_fail("cannot report");
    run_command(&command);
  }
  printf("%d\n", (int)receive_pid(pair[0]));
  return 0;
}
