# SPDX-License-Identifier: Apache-2.0
"""Every file call of Python's os: names, descriptors, directory descriptors, bulk transfer."""
import fcntl
import os
import stat

from say import D, here, say

root = os.open(D, os.O_RDONLY | os.O_DIRECTORY)
F = D + "/file"


def shape(status):
    return stat.filemode(status.st_mode), status.st_nlink, status.st_uid, status.st_gid, status.st_size


# Relative to a directory descriptor
for name in ("file", "link", "dir", "dangling", "missing", "dirlink", "odd", "", ".", "..", "dir/lines"):
    say(f"stat {name}", lambda: shape(os.stat(name, dir_fd=root))[0])  # pylint: disable=cell-var-from-loop
    say(f"lstat {name}", lambda: shape(os.stat(name, dir_fd=root, follow_symlinks=False))[0])
    say(f"access {name}", os.access, name, os.R_OK, dir_fd=root)
    say(f"access {name}", os.access, name, os.X_OK, dir_fd=root, effective_ids=True)
say("readlink", os.readlink, "link", dir_fd=root)
say("mkdir", os.mkdir, "made", 0o751, dir_fd=root)
say("mkfifo", os.mkfifo, "made/fifo", 0o640, dir_fd=root)
say("mknod", os.mknod, "made/node", stat.S_IFREG | 0o604, dir_fd=root)
say("symlink", os.symlink, "node", "made/soft", dir_fd=root)
say("link", os.link, "file", "made/hard", src_dir_fd=root, dst_dir_fd=root)
say("link nofollow", os.link, "link", "made/hardsoft", src_dir_fd=root, dst_dir_fd=root, follow_symlinks=False)
say("rename", os.rename, "made/hard", "made/moved", src_dir_fd=root, dst_dir_fd=root)
say("replace", os.replace, "made/moved", "made/node", src_dir_fd=root, dst_dir_fd=root)
say("utime", os.utime, "made/node", (1, 2), dir_fd=root)
say("chmod", os.chmod, "made/node", 0o711, dir_fd=root)
say("chown", os.chown, "made/node", 1, 2, dir_fd=root)
say("lchown", os.lchown, D + "/made/soft", 3, 4)
say("state", lambda: [shape(os.lstat(D + "/made/" + name)) for name in sorted(os.listdir(D + "/made"))])
say("rmdir", os.rmdir, "made", dir_fd=root)
say("unlink", os.unlink, "made/fifo", dir_fd=root)
say("remove dir", os.remove, "dir", dir_fd=root)
fd = os.open("made/opened", os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o606, dir_fd=root)
say("write", os.write, fd, b"0123456789" * 10)
say("open again", os.open, "made/opened", os.O_CREAT | os.O_EXCL, dir_fd=root)

# Listings
say("listdir", lambda: sorted(os.listdir(root)))
say("listdir bytes", lambda: sorted(os.listdir(os.fsencode(D) + b"/dir")))
with os.scandir(D) as entries:
    for entry in sorted(entries, key=lambda one: one.name):
        print(entry.name, entry.is_dir(), entry.is_file(follow_symlinks=False), entry.is_symlink(),
              entry.inode() == os.lstat(entry.path).st_ino, here(entry.path))
with os.scandir(root) as entries:
    say("scandir fd", lambda: sorted((entry.name, entry.is_dir(), entry.stat(follow_symlinks=False).st_mode)
                                     for entry in entries))
for top, folders, files in os.walk(D, topdown=False):
    print(here(top), sorted(folders), sorted(files))
for top, folders, files, descriptor in os.fwalk("dir", dir_fd=root):
    folders.sort()
    print(top, folders, sorted(files), [os.stat(name, dir_fd=descriptor,
        follow_symlinks=False).st_size for name in sorted(files)])
for top, folders, files in os.walk(D, followlinks=True):
    folders.sort()
    print(here(top), sorted(files))

# Descriptors
say("fstat", lambda: shape(os.fstat(fd)))
say("ftruncate", os.ftruncate, fd, 50)
say("pread", os.pread, fd, 5, 48)
say("preadv", lambda: (os.preadv(fd, [bytearray(3), bytearray(3)], 46)))
say("pwritev", os.pwritev, fd, [b"ab", b"cd"], 10)
say("lseek", os.lseek, fd, -4, os.SEEK_END)
say("lseek hole", os.lseek, fd, 0, os.SEEK_HOLE)
say("lseek data", os.lseek, fd, 100, os.SEEK_DATA)
say("read", os.read, fd, 100)
say("fchmod", os.fchmod, fd, 0o600)
say("fchown", os.fchown, fd, 5, 6)
say("fdatasync", os.fdatasync, fd)
say("isatty", os.isatty, fd)
say("ttyname", os.ttyname, fd)
say("blocking", os.get_blocking, fd)
os.set_blocking(fd, False)
say("blocking", os.get_blocking, fd)
say("inheritable", os.get_inheritable, fd)
copy = os.dup2(fd, 77)
say("dup2 shares", lambda: (os.lseek(copy, 7, os.SEEK_SET), os.lseek(fd, 0, os.SEEK_CUR)))
say("lockf", os.lockf, fd, os.F_TLOCK, 10)
say("lockf", os.lockf, fd, os.F_TEST, 10)
say("flags", lambda: fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_APPEND))
say("posix_fadvise", os.posix_fadvise, fd, 0, 0, os.POSIX_FADV_RANDOM)
say("device_encoding", os.device_encoding, fd)
say("statvfs", lambda: os.fstatvfs(fd).f_namemax)
os.close(copy)
say("closed", os.fstat, copy)

# Bytes that the kernel would move
big = bytes(range(256)) * 2000
local = os.memfd_create("local")
os.write(local, big)
out = os.open("made/big", os.O_CREAT | os.O_RDWR, 0o644, dir_fd=root)


def move_all(call, source, target):
    """As shutil does: whole if the kernel can, else by hand."""
    os.lseek(source, 0, os.SEEK_SET)
    os.ftruncate(target, 0)
    os.lseek(target, 0, os.SEEK_SET)
    try:
        while call(source, target):
            pass
    except OSError:
        os.lseek(source, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        while piece := os.read(source, 100000):
            os.write(target, piece)
    return os.pread(target, len(big) + 1, 0) == big


def send(source, target):
    return os.sendfile(target, source, None, 100000)


def copy_range(source, target):
    return os.copy_file_range(source, target, 100000)


say("sendfile out", move_all, send, local, out)
say("sendfile back", move_all, send, out, local)
say("copy_file_range out", move_all, copy_range, local, out)
say("copy_file_range back", move_all, copy_range, out, local)
second = os.open(D + "/made/second", os.O_CREAT | os.O_RDWR, 0o644)
say("copy_file_range there", move_all, copy_range, out, second)
say("sendfile there", move_all, send, out, second)

# The working directory
os.fchdir(root)
say("getcwd", lambda: here(os.getcwd()))
say("realpath", lambda: here(os.path.realpath("dirlink/../link")))
say("samefile", os.path.samefile, "file", D + "/hard")
os.chdir("dir")
say("relative", lambda: sorted(os.listdir()))
say("relative", lambda: sorted(os.listdir("..")) == sorted(os.listdir(root)))
os.makedirs("x/y/z", 0o700, exist_ok=True)
say("removedirs", os.removedirs, "x/y/z")
say("renames", os.renames, "lines", "p/q/lines")
say("after", lambda: (sorted(os.listdir()), os.path.getsize("p/q/lines"), os.path.exists("lines")))
say("truncate", os.truncate, "p/q/lines", 3)
say("chflags", lambda: hasattr(os, "chflags"))
say("disk", lambda: os.statvfs(".").f_namemax)
say("mkdir 0", os.mkdir, "closed", 0)
say("symlink is dir", os.symlink, "p", "sp", target_is_directory=True)
say("rmdir link", os.rmdir, "sp")
say("pipe to file", lambda: os.system(f"echo hello | cat >{D}/made/piped && cat {D}/made/piped"))
