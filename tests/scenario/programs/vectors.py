# SPDX-License-Identifier: Apache-2.0
"""Vectors positions and flags of reading and writing."""
import ctypes
import errno
import os

from say import D, say

fd = os.open(D + "/file", os.O_RDWR)
a, b, c = bytearray(3), bytearray(0), bytearray(20)
say("readv", os.readv, fd, [a, b, c])
print(a, c)
say("eof", os.readv, fd, [a])
say("writev", os.writev, fd, [b"one", b"", b"two"])
say("preadv", os.preadv, fd, [a, c], 2)
print(a, c[:5])
say("pwritev", os.pwritev, fd, [b"XY", b"Z"], 1)
say("tell", os.lseek, fd, 0, 1)
say("all", os.pread, fd, 100, 0)
say("negative", os.pread, fd, 1, -1)
say("too long vector", os.readv, fd, [bytearray(1)] * 2000)
say("big", os.pwrite, fd, b"z" * (3 << 20), 100)
say("size", lambda: os.fstat(fd).st_size)
say("big read", lambda: len(os.pread(fd, 5 << 20, 50)))
say("readall", lambda: len(open(D + "/file", "rb").read()))
say("zero", os.read, fd, 0)
say("zero write", os.write, fd, b"")
say("beyond", os.pread, fd, 10, 1 << 40)
libc = ctypes.CDLL(None, use_errno=True)
for name, call in [("read", libc.read), ("write", libc.write)]:
    print(name, call(fd, None, 10), errno.errorcode.get(ctypes.get_errno()))
print("stat", libc.stat(None, None), errno.errorcode[ctypes.get_errno()])
print("open", libc.open(None, 0), errno.errorcode[ctypes.get_errno()])
