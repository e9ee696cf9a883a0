# SPDX-License-Identifier: Apache-2.0
"""Many threads and children use one file at once."""
import os
import threading

from say import D, say

fd = os.open(D + "/many", os.O_CREAT | os.O_RDWR | os.O_APPEND)


def work(n):
    for i in range(200):
        os.write(fd, b"%d %03d\n" % (n, i))
        os.pread(fd, 10, 0)
        os.stat(D + "/file")


if os.fork() == 0:
    work(8)
    os._exit(0)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
os.wait()
lines = open(D + "/many").read().split("\n")[:-1]
say("lines", len, lines)
say("complete", lambda: sorted(lines) == sorted("%d %03d" % (n, i) for n in range(9) for i in range(200)))
os.unlink(D + "/many")
