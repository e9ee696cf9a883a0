# SPDX-License-Identifier: Apache-2.0
"""syscall(2) with the numbers of x86-64, on what is in $D and, for comparison, in the local folder $L."""
import ctypes
import errno
import os
import shutil
import signal
import struct

from say import D, here

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR = -100, 0x1000, 0x100, 0x200
NUMBER = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8, "mmap": 9,
    "pread64": 17, "pwrite64": 18, "readv": 19, "writev": 20, "access": 21, "select": 23, "dup": 32, "dup2": 33,
    "sendfile": 40, "fork": 57, "execve": 59, "fcntl": 72, "flock": 73, "fsync": 74, "fdatasync": 75, "truncate": 76,
    "ftruncate": 77, "getdents": 78, "getcwd": 79, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83, "rmdir": 84,
    "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "readlink": 89, "chmod": 90, "fchmod": 91, "chown": 92,
    "umask": 95, "statfs": 137, "fstatfs": 138, "utime": 132, "mknod": 133, "setxattr": 188, "getxattr": 191,
    "listxattr": 194, "readahead": 187, "getdents64": 217, "fadvise64": 221, "utimes": 235, "openat": 257,
    "mkdirat": 258, "mknodat": 259, "fchownat": 260, "futimesat": 261, "newfstatat": 262, "unlinkat": 263,
    "renameat": 264, "linkat": 265, "symlinkat": 266, "readlinkat": 267, "fchmodat": 268, "faccessat": 269,
    "pselect6": 270, "ppoll": 271, "splice": 275, "sync_file_range": 277, "utimensat": 280, "fallocate": 285,
    "dup3": 292, "preadv": 295, "pwritev": 296, "syncfs": 306, "renameat2": 316, "execveat": 322,
    "copy_file_range": 326, "preadv2": 327, "pwritev2": 328, "statx": 332, "io_uring_setup": 425, "clone": 56,
    "clone3": 435, "close_range": 436, "openat2": 437, "faccessat2": 439, "fchmodat2": 452, "gettid": 186,
}


def call(name, *arguments):
    """The raw answer, or -1; ctypes.get_errno() then tells why."""
    values = []
    for argument in arguments:
        if isinstance(argument, str):
            argument = argument.encode()
        values.append(ctypes.c_long(argument) if isinstance(argument, int) else argument)
    ctypes.set_errno(0)
    return libc.syscall(ctypes.c_long(NUMBER[name]), *values)


def tell(name, *arguments, shown=None):
    answer = call(name, *arguments)
    if answer < 0:
        print(name, errno.errorcode[ctypes.get_errno()])
    else:
        print(name, answer if shown is None else shown())
    return answer


def vector(*buffers):
    pieces = ((ctypes.c_void_p * 2) * len(buffers))()
    for piece, buffer in zip(pieces, buffers):
        piece[0], piece[1] = ctypes.addressof(buffer), len(buffer)
    pieces.buffers = buffers  # They must live as long.
    return pieces


def names_of(data, size, long_at):
    """The sorted names in what getdents64 or (long_at 18) getdents gave."""
    names, at = [], 0
    while at < size:
        length = struct.unpack_from("H", data, at + 16)[0]
        names.append(data[at + long_at:at + length].split(b"\0")[0])
        at += length
    return sorted(names)


def files(place):
    os.chdir("/")
    memory = ctypes.create_string_buffer(4096)
    file, new = place + "/file", place + "/new"
    fd = call("openat", AT_FDCWD, file, os.O_RDWR, 0)
    tell("read", fd, memory, 4, shown=lambda: memory.raw[:4])
    tell("pread64", fd, memory, 4, 6, shown=lambda: memory.raw[:4])
    tell("lseek", fd, 0, os.SEEK_CUR)
    tell("readv", fd, vector(ctypes.create_string_buffer(2), memory), 2)
    for name in ("preadv", "preadv2"):
        tell(name, fd, vector(memory), 1, 3, 0, 0, shown=lambda: memory.raw[:5])
    tell("preadv2", fd, vector(memory), 1, -1, -1, 0)
    tell("pwrite64", fd, b"XY", 2, 1)
    for name in ("pwritev", "pwritev2"):
        tell(name, fd, vector(ctypes.create_string_buffer(b"v", 1)), 1, 20, 0, 0)
    tell("write", fd, b"more", 4)
    tell("writev", fd, vector(ctypes.create_string_buffer(b"vec", 3)), 1)
    print(os.pread(fd, 100, 0))
    tell("fstat", fd, memory, shown=lambda: struct.unpack_from("q", memory, 48))
    for name, path in (("stat", file), ("lstat", place + "/link")):
        tell(name, path, memory, shown=lambda: struct.unpack_from("q", memory, 48))
    tell("newfstatat", AT_FDCWD, place + "/link", memory, AT_SYMLINK_NOFOLLOW,
         shown=lambda: struct.unpack_from("q", memory, 48))
    tell("newfstatat", fd, b"", memory, AT_EMPTY_PATH, shown=lambda: struct.unpack_from("q", memory, 48))
    tell("statx", AT_FDCWD, file, 0, 0x7ff, memory, shown=lambda: struct.unpack_from("Q", memory, 40))
    tell("statx", fd, b"", AT_EMPTY_PATH, 0x7ff, memory, shown=lambda: struct.unpack_from("Q", memory, 40))
    tell("ftruncate", fd, 10)
    tell("truncate", file, 8)
    tell("fallocate", fd, 0, 0, 100)
    for name in ("fsync", "fdatasync", "syncfs"):
        tell(name, fd)
    tell("sync_file_range", fd, 0, 0, 0)
    tell("fadvise64", fd, 0, 0, 0)
    tell("fadvise64", fd, 0, 0, 99)
    tell("flock", fd, 2)
    tell("fcntl", fd, 3, shown=lambda: "flags")
    copy = tell("dup", fd, shown=lambda: "a copy")
    tell("dup2", fd, 70)
    tell("dup3", fd, 71, os.O_CLOEXEC)
    tell("dup3", fd, 71, 1)
    tell("close", copy)
    tell("close_range", 70, 71, 0)
    tell("close", 70)
    tell("read", 71, memory, 1)
    tell("fchmod", fd, 0o600)
    tell("fstatfs", fd, memory)
    tell("statfs", place, memory)
    tell("statfs", place + "/missing", memory)
    address = tell("mmap", 0, 4096, 1, 2, fd, 0, shown=lambda: "mapped")
    print(ctypes.string_at(address, 5))
    tell("poll", struct.pack("ihh", fd, 5, 0), 1, -1)
    tell("ppoll", struct.pack("ihh", fd, 5, 0), 1, 0, 0, 8)
    tell("ppoll", struct.pack("ihh", fd, 5, 0), 1, 0, struct.pack("Q", 1 << 9), 8)
    ready = ctypes.create_string_buffer(128)
    ready[fd // 8] = 1 << fd % 8
    tell("select", fd + 1, ready, 0, 0, 0)
    tell("pselect6", fd + 1, ready, 0, 0, 0, 0)
    tell("pselect6", fd + 1, ready, 0, 0, 0, struct.pack("PQ", ctypes.addressof(memory), 8))
    tell("close", fd)
    tell("open", new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644, shown=lambda: "opened")
    tell("open", new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    tell("creat", place + "/created", 0o640, shown=lambda: "created")
    for wanted in (0, 2, 4, 1):
        tell("access", file, wanted)
        tell("faccessat", AT_FDCWD, place + "/missing", wanted)
        tell("faccessat2", AT_FDCWD, file, wanted, 0x200)


def copies(place):
    source = os.open(place + "/dir/sub/numbers", os.O_RDONLY)
    target = os.open(place + "/copied", os.O_RDWR | os.O_CREAT)
    left = os.fstat(source).st_size
    name, fallen_back = "copy_file_range", False
    while left > 0:
        done = call(name, source, 0, target, 0, left, 0) if name == "copy_file_range" else call(
            "sendfile", target, source, 0, left)
        if done < 0:
            assert ctypes.get_errno() in (errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS), ctypes.get_errno()
            if name == "sendfile":
                fallen_back = True
                shutil.copyfile(place + "/dir/sub/numbers", place + "/copied")
                break
            name = "sendfile"
        else:
            left -= done
    print("copied", open(place + "/copied").read() == open(place + "/dir/sub/numbers").read(), fallen_back in (0, 1))


def names(place):
    os.chdir("/")
    memory = ctypes.create_string_buffer(4096)
    tell("mkdir", place + "/m", 0o755)
    tell("mkdirat", AT_FDCWD, place + "/m", 0o755)
    tell("mknod", place + "/fifo", 0o010644, 0)
    tell("mknodat", AT_FDCWD, place + "/fifo2", 0o010600, 0)
    tell("link", place + "/new", place + "/linked")
    tell("linkat", AT_FDCWD, place + "/new", AT_FDCWD, place + "/linked", 0)
    tell("symlink", "new", place + "/sym")
    tell("symlinkat", "new", AT_FDCWD, place + "/sym2")
    tell("readlink", place + "/sym", memory, 100, shown=lambda: memory.raw[:3])
    tell("readlinkat", AT_FDCWD, place + "/new", memory, 100)
    tell("rename", place + "/sym", place + "/m/sym")
    tell("renameat", AT_FDCWD, place + "/sym2", AT_FDCWD, place + "/m/sym2")
    tell("renameat2", AT_FDCWD, place + "/linked", AT_FDCWD, place + "/new2", 1)
    tell("renameat2", AT_FDCWD, place + "/new", AT_FDCWD, place + "/new2", 1)
    tell("renameat2", AT_FDCWD, place + "/new", AT_FDCWD, place + "/file", 2)
    tell("chmod", place + "/new", 0o604)
    tell("fchmodat", AT_FDCWD, place + "/new2", 0o640, AT_SYMLINK_NOFOLLOW)
    tell("chown", place + "/new", 1, 2)
    tell("fchownat", AT_FDCWD, place + "/dangling", 1, 2, AT_SYMLINK_NOFOLLOW)
    tell("fchownat", AT_FDCWD, place + "/dangling", 1, 2, 0)
    tell("utime", place + "/new", struct.pack("qq", 5, 6))
    tell("utimes", place + "/new", struct.pack("qqqq", 7, 8, 9, 10))
    tell("futimesat", AT_FDCWD, place + "/new", struct.pack("qqqq", 7, 8, 9, 10))
    tell("utimensat", AT_FDCWD, place + "/new2", struct.pack("qqqq", 7, 8, 9, 10), 0)
    fd = os.open(place + "/new", os.O_RDWR)
    tell("utimensat", fd, 0, struct.pack("qqqq", 17, 18, 19, 20), 0)
    print(os.stat(place + "/new").st_mtime_ns, os.stat(place + "/new2").st_mtime_ns)
    if call("setxattr", place + "/new", "user.a", b"value", 5, 0) == 0:
        print("getxattr", call("getxattr", place + "/new", "user.a", memory, 100) == 5)
    else:
        print("getxattr", ctypes.get_errno() == errno.ENOTSUP)
    directory = os.open(place + "/m", os.O_RDONLY)
    tell("getdents64", directory, memory, 4096, shown=lambda: None)
    for name in sorted(os.listdir(place + "/m")):
        tell("unlinkat", directory, name, 0)
    tell("openat", directory, "sub", os.O_CREAT | os.O_WRONLY, 0o600, shown=lambda: "opened")
    tell("rmdir", place + "/m")
    tell("unlink", place + "/m/sub")
    tell("fchdir", directory)
    tell("getcwd", memory, 4096, shown=lambda: here(memory.value.decode()))
    tell("getcwd", memory, 2)
    tell("chdir", place + "/dirlink")
    tell("getcwd", memory, 4096, shown=lambda: here(memory.value.decode()))
    tell("openat", AT_FDCWD, "lines", os.O_RDONLY, shown=lambda: "opened")
    tell("chdir", place + "/file")
    tell("unlinkat", AT_FDCWD, place + "/m", AT_REMOVEDIR)
    tell("umask", 0o027)
    tell("umask", 0o022)


def listing(place):
    memory = ctypes.create_string_buffer(32768)
    directory = os.open(place + "/dir", os.O_RDONLY)
    size = call("getdents64", directory, memory, len(memory))
    print(names_of(memory.raw, size, 19), call("getdents64", directory, memory, len(memory)))
    os.lseek(directory, 0, os.SEEK_SET)
    size = call("getdents", directory, memory, len(memory))
    print("getdents", size == -1 or names_of(memory.raw, size, 18) == [b".", b"..", b"lines", b"odd name", b"sub"])


def how(flags, mode=0, resolve=0):
    return struct.pack("QQQ", flags, mode, resolve)


def open_by_how(place):
    tell("openat2", AT_FDCWD, place + "/file", how(os.O_RDONLY), 24, shown=lambda: "opened")
    tell("openat2", AT_FDCWD, place + "/made", how(os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), 24, shown=lambda: "new")
    tell("openat2", AT_FDCWD, place + "/made", how(os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), 24)
    tell("openat2", AT_FDCWD, place + "/missing", how(os.O_RDONLY), 24)
    tell("openat2", AT_FDCWD, place + "/file", how(os.O_RDONLY, 0o600), 24)
    tell("openat2", AT_FDCWD, place + "/file", how(1 << 40), 24)
    tell("openat2", AT_FDCWD, place + "/file", how(os.O_RDONLY), 8)
    tell("openat2", AT_FDCWD, place + "/link", how(os.O_RDONLY | os.O_NOFOLLOW), 24)
    directory = os.open(place, os.O_PATH)
    tell("openat2", directory, "dir/lines", how(os.O_RDONLY), 24, shown=lambda: "opened")
    answer = call("openat2", directory, "dir/lines", how(os.O_RDONLY, 0, 8), 24)
    print("beneath", answer >= 0 or errno.errorcode[ctypes.get_errno()] == "ENOSYS")
    tell("openat2", AT_FDCWD, local + "/led away", how(os.O_RDONLY), 24, shown=lambda: "opened")
    tell("openat2", AT_FDCWD, local + "/led away", how(os.O_RDONLY, 0, 4), 24)


def children(place):
    """A child of every kind reads on with the parent's descriptor."""
    fd = os.open(place + "/dir/sub/numbers", os.O_RDONLY)
    other = place + "/dir/lines"
    for name, arguments in (("fork", ()), ("clone", (signal.SIGCHLD, 0, 0, 0, 0)), ("clone3", (struct.pack(
            "8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64))):
        pid = call(name, *arguments)
        if pid == 0:
            with open(other) as file:
                os.write(1, b"%s %s %s\n" % (name.encode(), os.read(fd, 10), file.read(6).encode()))
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.read(fd, 4))
    pid = os.fork()
    if pid == 0:
        call("execve", "/bin/cat", (ctypes.c_char_p * 3)(b"cat", other.encode(), None), (ctypes.c_char_p * 1)(None))
        os._exit(99)
    print(os.waitpid(pid, 0)[1])
    pid = os.fork()
    if pid == 0:
        directory = os.open(place + "/dir", os.O_PATH)
        call("execveat", directory, "lines", (ctypes.c_char_p * 2)(b"x", None), (ctypes.c_char_p * 1)(None), 0)
        print(errno.errorcode[ctypes.get_errno()], flush=True)
        os._exit(8)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


local = os.environ["L"]
shutil.copytree(D + "/dir", local + "/dir")
for made in ("file", "link", "dangling", "dirlink"):
    shutil.copy2(D + "/" + made, local + "/" + made, follow_symlinks=False)
os.symlink(D + "/file", local + "/led away")
for where in (D, local):
    for test in (files, copies, names, listing, open_by_how, children):
        print("----", test.__name__, flush=True)
        test(where)
print(call("gettid") == os.getpid())
