# SPDX-License-Identifier: Apache-2.0
"""What came along with an open never hides what others have done since."""
import ctypes
import errno
import mmap
import os
import signal

from say import D


FILE = D + "/brought"


def write_new(text):
    with open(FILE, "w", encoding="ascii") as out:
        out.write(text)


def check(what, found, wanted):
    print(what, "ok" if found == wanted else f"found {found!r}, wanted {wanted!r}")


def with_helper(receive):
    """A child that was there before the file was opened changes it when told, and says so."""
    go_read, go_write = os.pipe()
    done_read, done_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(go_read, 1)
        write_new("after")
        os.write(done_write, b"x")
        os._exit(0)
    os.close(done_write)
    fd = os.open(FILE, os.O_RDONLY)
    os.write(go_write, b"x")
    receive(child, done_read)
    text = os.read(fd, 100)
    size = os.fstat(fd).st_size
    for one in (fd, go_read, go_write, done_read):
        os.close(one)
    return text, size


def wait_for_child(child, _):
    os.waitpid(child, 0)


def read_pipe(child, done):
    os.read(done, 1)
    os.waitpid(child, 0)


def wait_signal(child, _):
    signal.sigwait([signal.SIGCHLD])
    os.waitpid(child, 0)


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
for name, receive in (("wait", wait_for_child), ("pipe", read_pipe), ("signal", wait_signal)):
    write_new("before it")
    check(name, with_helper(receive), (b"after", 5))

write_new("0123456789")
fd = os.open(FILE, os.O_RDONLY)
check("part", os.read(fd, 4), b"0123")
child = os.fork()
if child == 0:
    os._exit(0 if os.read(fd, 3) == b"456" else 1)
check("child goes on", os.waitpid(child, 0)[1], 0)
check("shared offset", os.read(fd, 9), b"789")
os.close(fd)

fd = os.open(FILE, os.O_RDONLY)
check("before dup", os.read(fd, 2), b"01")
other = os.dup(fd)
os.close(fd)
check("after dup", os.read(other, 2), b"23")
check("own change", (os.truncate(FILE, 6), os.fstat(other).st_size)[1], 6)
check("the end moved", os.read(other, 9), b"45")
os.close(other)

libc = ctypes.CDLL(None, use_errno=True)
nowhere = mmap.mmap(-1, 4096, prot=mmap.PROT_READ)
address = ctypes.c_void_p.from_buffer_copy(ctypes.c_size_t(0x10))
fd = os.open(FILE, os.O_RDONLY)
check("bad memory", (libc.read(fd, address, 4), ctypes.get_errno()), (-1, errno.EFAULT))
check("after it", os.read(fd, 3), b"012")
os.close(fd)
os.unlink(FILE)

MANY = D + "/many"
os.mkdir(MANY)
for number in range(300):
    with open(f"{MANY}/{number}", "w", encoding="ascii") as out:
        out.write("x" * number)
os.symlink("7", MANY + "/link")


def sizes():
    with os.scandir(MANY) as entries:
        return sorted((entry.name, entry.stat(follow_symlinks=False).st_size) for entry in entries)


WANTED = sorted([(str(number), number) for number in range(300)] + [("link", 1)])
check("listed", sizes(), WANTED)
check("listed again", sizes(), WANTED)
os.truncate(MANY + "/299", 5)
WANTED[WANTED.index(("299", 299))] = ("299", 5)
check("listed after a change", sizes(), WANTED)
with os.scandir(MANY) as entries:
    first = next(entry for entry in entries if entry.name != "link")
    os.truncate(first.path, 1000)
    check("changed after it was listed", os.lstat(first.path).st_size, 1000)
