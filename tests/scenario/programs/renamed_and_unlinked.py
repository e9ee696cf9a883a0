# SPDX-License-Identifier: Apache-2.0
"""Renamed and unlinked files stay open."""
import os

from say import D, here, say

fd = os.open(D + "/file", os.O_RDWR)
os.rename(D + "/file", D + "/renamed")
say("renamed", os.read, fd, 5)
os.unlink(D + "/renamed")
os.unlink(D + "/hard")
say("links", lambda: os.fstat(fd).st_nlink)
say("unlinked", os.read, fd, 100)
say("write", os.write, fd, b"more")
say("size", lambda: os.fstat(fd).st_size)
os.ftruncate(fd, 3)
os.lseek(fd, 0, 0)
say("shorter", os.read, fd, 100)
say("name", lambda: here(os.readlink(f"/proc/self/fd/{fd}")))
os.rename(D + "/dir/lines", D + "/nothing")
say("replaced", lambda: len(open(D + "/nothing").read()))
say("onto dir", os.rename, D + "/nothing", D + "/dir")
say("dir onto file", os.rename, D + "/dir", D + "/nothing")
say("into itself", os.rename, D + "/dir", D + "/dir/sub/x")
say("nonempty", os.rename, D + "/empty", D + "/dir")
say("missing", os.rename, D + "/missing", D + "/x")
d = os.open(D + "/dir", os.O_RDONLY)
os.rename(D + "/dir", D + "/dir2")
say("renamed dir", lambda: sorted(os.listdir(d)))
say("openat", lambda: os.read(os.open("sub/numbers", 0, dir_fd=d), 4))
