# SPDX-License-Identifier: Apache-2.0
"""Record locks belong to the process."""
import fcntl
import os
import struct
import sys

from say import D, say


def lock(fd, kind, start, length, command=fcntl.F_SETLK):
    return fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, 0, start, length, 0))


def who(fd, kind, start, length):
    kind, _, start, length, pid = struct.unpack("hhqqi4x", lock(fd, kind, start, length, fcntl.F_GETLK))
    return ({0: "read", 1: "write", 2: "free"}[kind], (start, length) if kind != 2 else "")


one = os.open(D + "/file", os.O_RDWR)
two = os.open(D + "/file", os.O_RDWR)
say("lock", lock, one, fcntl.F_WRLCK, 0, 10)
say("same process again", lock, two, fcntl.F_WRLCK, 5, 10)
sys.stdout.flush()


def in_child(*what):
    if os.fork() == 0:
        for call in what:
            call()
        os._exit(0)
    os.wait()


in_child(lambda: say("child", lock, two, fcntl.F_RDLCK, 0, 1), lambda: print("getlk", who(two, fcntl.F_WRLCK, 3, 100)),
         lambda: print("elsewhere", who(two, fcntl.F_WRLCK, 50, 5)), lambda: os.close(one))
say("unlock middle", lock, one, fcntl.F_UNLCK, 4, 2)
in_child(lambda: say("middle", lock, two, fcntl.F_WRLCK, 4, 2), lambda: say("edge", lock, two, fcntl.F_WRLCK, 3, 1))
three = os.open(D + "/file", os.O_RDONLY)
os.close(three)
in_child(lambda: say("any close drops all", lock, two, fcntl.F_WRLCK, 0, 20))
say("write lock on read only", lock, os.open(D + "/file", os.O_RDONLY), fcntl.F_WRLCK, 0, 1)
say("lockf", os.lockf, one, os.F_LOCK, 5)
say("test own", os.lockf, one, os.F_TEST, 5)
in_child(lambda: say("test", os.lockf, two, os.F_TEST, 5), lambda: say("tlock", os.lockf, two, os.F_TLOCK, 5))
