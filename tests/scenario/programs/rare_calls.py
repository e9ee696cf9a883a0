# SPDX-License-Identifier: Apache-2.0
"""Functions of libc that few programs call: ftok, setmntent, getdirentries."""
import ctypes
import errno
import os

from say import D

libc = ctypes.CDLL(None, use_errno=True)
libc.setmntent.restype = libc.getmntent.restype = ctypes.c_void_p
libc.getdirentries.restype = ctypes.c_ssize_t


def failed(answer):
    return errno.errorcode[ctypes.get_errno()] if answer in (-1, None) else None


for path in ("/file", "/link", "/dir", "/missing", "/dangling"):
    key = libc.ftok((D + path).encode(), 7)
    inode = os.stat(D + path).st_ino & 0xffff if key != -1 else 0
    print("ftok", path, failed(key) or (key & 0xffff == inode, key >> 24))
print("ftok of two names", libc.ftok((D + "/file").encode(), 7) == libc.ftok((D + "/hard").encode(), 7))

for path in ("/table", "/missing"):
    table = libc.setmntent((D + path).encode(), b"r")
    print("setmntent", path, failed(table) or "opened")
    while table:
        entry = libc.getmntent(ctypes.c_void_p(table))
        if not entry:
            libc.endmntent(ctypes.c_void_p(table))
            break
        print([ctypes.cast(entry, ctypes.POINTER(ctypes.c_char_p))[i] for i in range(4)])

memory, position = ctypes.create_string_buffer(4096), ctypes.c_long(-1)
directory = os.open(D + "/dir", os.O_RDONLY)
size = libc.getdirentries(directory, memory, ctypes.c_size_t(4096), ctypes.byref(position))
print("getdirentries", size, position.value, b"lines" in memory.raw[:size])
size = libc.getdirentries(directory, memory, ctypes.c_size_t(4096), ctypes.byref(position))
print("getdirentries", size, position.value > 0)
file = os.open(D + "/file", os.O_RDONLY)
print("getdirentries", failed(libc.getdirentries(file, memory, ctypes.c_size_t(4096), ctypes.byref(position))))
