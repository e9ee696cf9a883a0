# SPDX-License-Identifier: Apache-2.0
"""Files are no terminals."""
import array
import errno
import fcntl
import os
import termios

from say import D, say

fd = os.open(D + "/file", os.O_RDWR)
d = os.open(D, os.O_RDONLY)
for f in (fd, d):
    say("isatty", os.isatty, f)
    say("ttyname", os.ttyname, f)
    try:
        termios.tcgetattr(f)
    except termios.error as e:
        print("tcgetattr", errno.errorcode[e.args[0]])
    say("winsize", fcntl.ioctl, f, termios.TIOCGWINSZ, b" " * 8)
    say("unknown", fcntl.ioctl, f, 4660)
    say("tcgetpgrp", os.tcgetpgrp, f)
n = array.array("i", [0])
say("fionread", fcntl.ioctl, fd, termios.FIONREAD, n)
print(n[0])
os.read(fd, 5)
fcntl.ioctl(fd, termios.FIONREAD, n)
print("left", n[0])
say("fioclex", fcntl.ioctl, fd, termios.FIOCLEX)
say("cloexec", fcntl.fcntl, fd, fcntl.F_GETFD)
say("terminal size", os.get_terminal_size, fd)
null = os.open("/dev/null", os.O_RDWR)
say("null", os.isatty, null)
