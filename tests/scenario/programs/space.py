# SPDX-License-Identifier: Apache-2.0
"""Space can be reserved synced and asked for."""
import ctypes
import errno
import os

from say import D, say

fd = os.open(D + "/file", os.O_RDWR)
d = os.open(D + "/dir", os.O_RDONLY)
r = os.open(D + "/hard", os.O_RDONLY)
for f in (fd, d, r):
    say("fsync", os.fsync, f)
    say("fdatasync", os.fdatasync, f)
say("posix_fallocate", os.posix_fallocate, fd, 0, 100000)
say("size", lambda: os.fstat(fd).st_size)
say("read only", os.posix_fallocate, r, 0, 10)
say("zero", os.posix_fallocate, fd, 0, 0)
say("dir", os.posix_fallocate, d, 0, 1)
for advice in (os.POSIX_FADV_SEQUENTIAL, os.POSIX_FADV_WILLNEED, os.POSIX_FADV_DONTNEED):
    say("advise", os.posix_fadvise, fd, 0, 0, advice)
say("bad advice", os.posix_fadvise, fd, 0, 0, 99)
v, w = os.statvfs(D), os.fstatvfs(fd)
say("statvfs", lambda: (v.f_bsize, v.f_frsize, v.f_namemax, v.f_flag, v.f_blocks, v.f_files > 0))
print(v.f_blocks == w.f_blocks)
say("missing", os.statvfs, D + "/missing")
say("through", lambda: os.statvfs(D + "/dirlink/lines").f_namemax)
for name in sorted(os.pathconf_names):
    say(name, os.pathconf, D, name)
    say(name, os.fpathconf, fd, name)
say("pathconf missing", os.pathconf, D + "/missing", "PC_NAME_MAX")
say("bad name", os.pathconf, D, 9999)
libc = ctypes.CDLL(None, use_errno=True)
say("syncfs", libc.syncfs, fd)
say("sync_file_range", libc.sync_file_range, fd, ctypes.c_int64(0), ctypes.c_int64(0), 7)
say("readahead", libc.readahead, fd, ctypes.c_int64(0), 4096)
os.sync()
say("punch", libc.fallocate, fd, 3, ctypes.c_int64(0), ctypes.c_int64(4096))
say("zeroed", os.pread, fd, 4, 0)
say("collapse", libc.fallocate, fd, 8, ctypes.c_int64(1), ctypes.c_int64(1))
print(errno.errorcode[ctypes.get_errno()])
