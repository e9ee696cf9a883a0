# SPDX-License-Identifier: Apache-2.0
"""Remote descriptors and paths in children of every kind, also in those that never call exec."""
import ctypes
import os
import signal
import subprocess
import threading
import time

from say import D, say

libc = ctypes.CDLL(None, use_errno=True)
numbers = os.open(D + "/dir/sub/numbers", os.O_RDONLY)
log = os.open(D + "/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def work(name):
    """What each child does: reads on, opens something, appends a line."""
    got = os.read(numbers, 2)
    with open(D + "/dir/lines", encoding="ascii") as lines:
        first = lines.readline().strip()
    os.write(log, f"{name} {got} {first} {os.path.exists(D + '/missing')}\n".encode())


def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child(name, start):
    pid = start()
    if pid == 0:
        work(name)
        os._exit(3)
    print(name, status(pid))


work("parent")
child("fork", libc.fork)
child("_Fork", libc._Fork)
child("raw fork", lambda: libc.syscall(57))
child("raw clone", lambda: libc.syscall(56, signal.SIGCHLD, 0, 0, 0, 0))
work("parent again")

# clone(3) with a stack of its own, with a copy of the memory and (as a vfork) with the memory itself.
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


def cloned(_):
    work("clone")
    return 4


entry, stack = FUNCTION(cloned), ctypes.create_string_buffer(1 << 20)
top = ctypes.c_void_p((ctypes.addressof(stack) + len(stack)) & ~15)
for flags in (signal.SIGCHLD, signal.SIGCHLD | 0x4000):
    print("clone", status(libc.clone(entry, top, flags, None)))

# A child of a thread, while other threads use remote files.
stop = threading.Event()


def keep_busy():
    while not stop.is_set():
        os.stat(D + "/file")


threads = [threading.Thread(target=keep_busy) for _ in range(4)]
for thread in threads:
    thread.start()
for turn in range(5):
    child(f"beside threads {turn}", os.fork)
stop.set()
for thread in threads:
    thread.join()

# A daemon: two forks, a session of its own, in "/", its standard descriptors gone.
pid = os.fork()
if pid == 0:
    if os.fork() == 0:
        libc.daemon(0, 0)
        work("daemon")
        os.rename(D + "/log", D + "/log.done")
        os._exit(0)
    os._exit(0)
print("daemon", status(pid))
while not os.path.exists(D + "/log.done"):
    time.sleep(0.01)

# A grandchild whose parents are gone goes on with the descriptor.
reading, writing = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.read(reading, 1)
        work("orphan")
        os.rename(D + "/log.done", D + "/log.all")
        os._exit(0)
    os._exit(0)
os.wait()
os.write(writing, b"x")
while not os.path.exists(D + "/log.all"):
    time.sleep(0.01)

# Programs as children, by every way; they read on from the shared offset.
os.set_inheritable(numbers, True)
os.set_inheritable(log, True)
os.environ["IN"], os.environ["OUT"] = f"/dev/fd/{numbers}", f"/dev/fd/{log}"
line = f'read -r x <&{numbers}; echo "$0 $x" >&{log}'
print("system", os.system(line))
print("popen", os.popen(line + "; echo from popen").read())
print("spawn", status(os.posix_spawn("/bin/sh", ["spawned", "-c", line], os.environ)))
print("run", subprocess.run(["sh", "-c", line], pass_fds=(numbers, log), check=False).returncode)
print("script", subprocess.run(["bash", "-c", f"( {line} ); {line} & wait"], close_fds=False, check=False).returncode)
print("setsid", os.system(f"setsid -w sh -c 'read -r x <&{numbers}; echo setsid $x >&{log}'"))
say("offset", os.lseek, numbers, 0, os.SEEK_CUR)
with open(D + "/log.all", encoding="ascii") as text:
    print(text.read())
