# SPDX-License-Identifier: Apache-2.0
"""Sparse files and offsets above 4 gib."""
import os

from say import D, say

fd = os.open(D + "/huge", os.O_CREAT | os.O_RDWR)
G = 1 << 30
for at in (0, 4 * G - 2, 5 * G, 9 * G + 12345):
    say("pwrite", os.pwrite, fd, b"here", at)
say("size", lambda: os.fstat(fd).st_size)
say("pread", os.pread, fd, 8, 4 * G - 4)
say("blocks", lambda: os.fstat(fd).st_blocks)
say("seek", os.lseek, fd, 5 * G + 2, os.SEEK_SET)
say("read", os.read, fd, 4)
say("end", os.lseek, fd, -4, os.SEEK_END)
say("data", os.lseek, fd, 1 << 20, os.SEEK_DATA)
say("hole", os.lseek, fd, 5 * G, os.SEEK_HOLE)
say("no data", os.lseek, fd, 10 * G, os.SEEK_DATA)
say("last", os.lseek, fd, 9 * G + 12346, os.SEEK_HOLE)
say("truncate", os.ftruncate, fd, 6 * G)
say("grow", os.truncate, D + "/huge", 20 * G + 1)
say("size", os.path.getsize, D + "/huge")
say("read across", lambda: sum(os.pread(fd, 1 << 20, 5 * G - (1 << 19))))
os.unlink(D + "/huge")
