// SPDX-License-Identifier: Apache-2.0
#include "agent/exec/interrupt.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>

namespace qnet::exec {
namespace {

constexpr std::size_t kStackBytes = 1 << 20;  // Touched pages only; paths live on it.

int interrupt_signal() {
  return SIGRTMIN + 4;
}  // Asio, libc and qnetd use none of the real-time signals.

void do_nothing(int) {}

void change_mask(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, interrupt_signal());
  ::pthread_sigmask(how, &set, nullptr);
}

}  // namespace

void prepare_interrupts() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_handler = do_nothing;  // And no SA_RESTART: the call ends with EINTR.
    sigemptyset(&action.sa_mask);
    ::sigaction(interrupt_signal(), &action, nullptr);
  });
}

int start_thread(pthread_t& thread, const char* name, void* (*main)(void*), void* argument) {
  sigset_t set;
  sigfillset(&set);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&set, signal);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  ::pthread_attr_setsigmask_np(&attributes, &set);
  const int error = ::pthread_create(&thread, &attributes, main, argument);
  ::pthread_attr_destroy(&attributes);
  if (error == 0) ::pthread_setname_np(thread, name);
  return error;
}

BlockingSection::BlockingSection(Job& job) : job_(job) {
  change_mask(SIG_UNBLOCK);
  job_.blocked_thread.store(::gettid());
}

BlockingSection::~BlockingSection() {
  const int error = errno;
  job_.blocked_thread.store(0);
  change_mask(SIG_BLOCK);
  errno = error;
}

bool interrupt(const Job& job) {
  const pid_t thread = job.blocked_thread.load();
  if (thread == 0) return false;
  ::syscall(SYS_tgkill, ::getpid(), thread, interrupt_signal());
  return true;
}

}  // namespace qnet::exec
