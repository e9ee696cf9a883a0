# SPDX-License-Identifier: Apache-2.0
"""Memory maps show the file."""
import mmap
import os

from say import D, say

# Shared needs a descriptor that cannot write: a shared mapping of another could be made writable later.
fd = os.open(D + "/dir/sub/numbers", os.O_RDONLY)
size = os.fstat(fd).st_size
KINDS = [("private ro", mmap.MAP_PRIVATE, mmap.PROT_READ),
         ("shared ro", mmap.MAP_SHARED, mmap.PROT_READ),
         ("private rw", mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)]
for name, flags, prot in KINDS:
    m = mmap.mmap(fd, size, flags, prot)
    print(name, len(m), m[:6], m[-6:], m.find(b"12345\n"))
    if prot & mmap.PROT_WRITE:
        m[0:1] = b"X"
        print(m[:3])
    m.close()
m = mmap.mmap(fd, 5000, mmap.MAP_PRIVATE, mmap.PROT_READ, offset=4096)
print("offset", m[:6], m[4990:])
m.close()
say("unchanged", lambda: open(D + "/dir/sub/numbers").read(2))
say("offset kept", os.lseek, fd, 0, 1)
os.lseek(fd, 0, 0)
m = mmap.mmap(fd, 10, mmap.MAP_PRIVATE, mmap.PROT_READ)
os.close(fd)
print("after close", m[:10])
w = os.open(D + "/file", os.O_WRONLY)
say("write only", mmap.mmap, w, 4, mmap.MAP_PRIVATE, mmap.PROT_READ)
d = os.open(D, os.O_RDONLY)
say("directory", mmap.mmap, d, 4, mmap.MAP_PRIVATE, mmap.PROT_READ)
e = os.open(D + "/nothing", os.O_RDONLY)
say("length 0", lambda: len(mmap.mmap(os.open(D + "/file", 0), 0, access=mmap.ACCESS_READ)))
s = os.open(D + "/file", os.O_RDONLY)
m = mmap.mmap(s, 12, mmap.MAP_SHARED, mmap.PROT_READ)
print("msync", m.flush())
