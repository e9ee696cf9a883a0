# SPDX-License-Identifier: Apache-2.0
"""Libc walkers see the tree."""
import ctypes
import os
import stat

from say import D, here, say

libc = ctypes.CDLL(None, use_errno=True)
seen = []
CB = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def note(path, status, kind, info):
    seen.append((path.decode()[len(D):], kind))
    return 0


say("nftw", libc.nftw, D.encode(), CB(note), 10, 1)
print(sorted(seen))
seen.clear()
say("nftw depth", libc.nftw, D.encode(), CB(note), 2, 1 | 8)
print(seen[-1])
seen.clear()
say("nftw chdir", libc.nftw, D.encode(), CB(note), 5, 4)
print(len(seen))
seen.clear()
say("missing", libc.nftw, (D + "/no").encode(), CB(note), 5, 0)
CB3 = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
say("ftw", libc.ftw, D.encode(), CB3(lambda p, s, k: seen.append((p.decode()[len(D):], k)) or 0), 10)
print(sorted(seen))
names = ctypes.POINTER(ctypes.c_void_p)()
say("scandir", libc.scandir, (D + "/dir").encode(), ctypes.byref(names), None, None)
say("scandir missing", libc.scandir, (D + "/no").encode(), ctypes.byref(names), None, None)
libc.realpath.restype = ctypes.c_char_p
for p in ("/dirlink/sub/..", "/missing", "/dangling", "/dir/lines/x"):
    say("realpath " + p, lambda: here((libc.realpath((D + p).encode(), None) or b"none").decode()))
libc.opendir.restype = ctypes.c_void_p
libc.telldir.restype = ctypes.c_long
libc.readdir.restype = ctypes.c_void_p
for f in ("readdir", "closedir", "rewinddir", "telldir", "dirfd"):
    getattr(libc, f).argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
d = libc.opendir(D.encode())


def entry():
    e = libc.readdir(d)
    return ctypes.string_at(e + 19).decode() if e else None


all_of = []
while (n := entry()) is not None:
    all_of.append(n)
libc.rewinddir(d)
first = entry()
at = libc.telldir(d)
second = entry()
third = entry()
libc.seekdir(d, at)
print(sorted(all_of), entry() == second, entry() == third)
print(stat.S_ISDIR(os.fstat(libc.dirfd(d)).st_mode), libc.closedir(d))
