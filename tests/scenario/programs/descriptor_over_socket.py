# SPDX-License-Identifier: Apache-2.0
"""A descriptor goes over a unix socket."""
import os
import socket

from say import D, say

left, right = socket.socketpair()
fd = os.open(D + "/dir/lines", os.O_RDWR)
os.read(fd, 3)
if os.fork() == 0:
    _, fds, _, _ = socket.recv_fds(right, 10, 1)
    say("received", os.read, fds[0], 3)
    say("stat", lambda: os.fstat(fds[0]).st_size)
    say("write", os.write, fds[0], b"####")
    os._exit(0)
socket.send_fds(left, [b"x"], [fd])
os.close(fd)
os.wait()
say("content", lambda: open(D + "/dir/lines").read())
