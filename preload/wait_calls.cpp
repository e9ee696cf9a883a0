// SPDX-License-Identifier: Apache-2.0
//
// wait_calls.cpp: which local calls may tell a program of something that has changed elsewhere?
//
// They are libc's in effect. After them nothing that the reply to an Open brought along may answer any more
// (agent/client/brought.hpp): who waits for others, or receives from them, must see what they have done. The same is
// said in read and its like, recvmsg, poll, select and locks. Not seen here: what libc itself reads for a stream,
// futexes behind mutexes.
#include "agent/client/brought.hpp"
#include "preload/libc.hpp"

using namespace qnet::preload;
using qnet::client::brought::received;

extern "C" int qnet_epoll_wait(int epoll, struct epoll_event* events, int count, int timeout_ms) {
  received();
  return libc().epoll_wait(epoll, events, count, timeout_ms);
}

extern "C" int qnet_epoll_pwait(int epoll, struct epoll_event* events, int count, int timeout_ms,
                                const sigset_t* mask) {
  received();
  return libc().epoll_pwait(epoll, events, count, timeout_ms, mask);
}

extern "C" int qnet_epoll_pwait2(int epoll, struct epoll_event* events, int count, const struct timespec* timeout,
                                 const sigset_t* mask) {
  received();
  return libc().epoll_pwait2(epoll, events, count, timeout, mask);
}

extern "C" ssize_t qnet_recv(int fd, void* buffer, size_t count, int flags) {
  received();
  return libc().recv(fd, buffer, count, flags);
}

extern "C" ssize_t qnet___recv_chk(int fd, void* buffer, size_t count, size_t room, int flags) {
  received();
  return libc().__recv_chk(fd, buffer, count, room, flags);
}

extern "C" ssize_t qnet_recvfrom(int fd, void* buffer, size_t count, int flags, struct sockaddr* sender,
                                 socklen_t* size) {
  received();
  return libc().recvfrom(fd, buffer, count, flags, sender, size);
}

extern "C" ssize_t qnet___recvfrom_chk(int fd, void* buffer, size_t count, size_t room, int flags,
                                       struct sockaddr* sender, socklen_t* size) {
  received();
  return libc().__recvfrom_chk(fd, buffer, count, room, flags, sender, size);
}

extern "C" int qnet_accept(int fd, struct sockaddr* peer, socklen_t* size) {
  received();
  return libc().accept(fd, peer, size);
}

extern "C" int qnet_accept4(int fd, struct sockaddr* peer, socklen_t* size, int flags) {
  received();
  return libc().accept4(fd, peer, size, flags);
}

extern "C" pid_t qnet_wait(int* status) {
  received();
  return libc().wait(status);
}

extern "C" pid_t qnet_waitpid(pid_t child, int* status, int options) {
  received();
  return libc().waitpid(child, status, options);
}

extern "C" pid_t qnet_wait3(int* status, int options, struct rusage* usage) {
  received();
  return libc().wait3(status, options, usage);
}

extern "C" pid_t qnet_wait4(pid_t child, int* status, int options, struct rusage* usage) {
  received();
  return libc().wait4(child, status, options, usage);
}

extern "C" int qnet_waitid(idtype_t which, id_t id, siginfo_t* info, int options) {
  received();
  return libc().waitid(which, id, info, options);
}

extern "C" int qnet_sem_wait(sem_t* semaphore) {
  received();
  return libc().sem_wait(semaphore);
}

extern "C" int qnet_sem_trywait(sem_t* semaphore) {
  received();
  return libc().sem_trywait(semaphore);
}

extern "C" int qnet_sem_timedwait(sem_t* semaphore, const struct timespec* until) {
  received();
  return libc().sem_timedwait(semaphore, until);
}

extern "C" int qnet_sem_clockwait(sem_t* semaphore, clockid_t clock, const struct timespec* until) {
  received();
  return libc().sem_clockwait(semaphore, clock, until);
}

extern "C" int qnet_pause() {
  received();
  return libc().pause();
}

extern "C" int qnet_sigsuspend(const sigset_t* mask) {
  received();
  return libc().sigsuspend(mask);
}

extern "C" int qnet_sigwait(const sigset_t* set, int* number) {
  received();
  return libc().sigwait(set, number);
}

extern "C" int qnet_sigwaitinfo(const sigset_t* set, siginfo_t* info) {
  received();
  return libc().sigwaitinfo(set, info);
}

extern "C" int qnet_sigtimedwait(const sigset_t* set, siginfo_t* info, const struct timespec* timeout) {
  received();
  return libc().sigtimedwait(set, info, timeout);
}

extern "C" int qnet_nanosleep(const struct timespec* time, struct timespec* left) {
  received();
  return libc().nanosleep(time, left);
}

extern "C" int qnet_clock_nanosleep(clockid_t clock, int flags, const struct timespec* time, struct timespec* left) {
  received();
  return libc().clock_nanosleep(clock, flags, time, left);
}

extern "C" int qnet_usleep(useconds_t microseconds) {
  received();
  return libc().usleep(microseconds);
}

extern "C" ssize_t qnet_msgrcv(int queue, void* message, size_t room, long type, int flags) {
  received();
  return libc().msgrcv(queue, message, room, type, flags);
}

extern "C" int qnet_semop(int set, struct sembuf* operations, size_t count) {
  received();
  return libc().semop(set, operations, count);
}

extern "C" int qnet_semtimedop(int set, struct sembuf* operations, size_t count, const struct timespec* timeout) {
  received();
  return libc().semtimedop(set, operations, count, timeout);
}
