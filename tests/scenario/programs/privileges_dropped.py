# SPDX-License-Identifier: Apache-2.0
"""A descriptor opened as root serves after privileges are dropped."""
import os

from say import D, say

fd = os.open(D + "/file", os.O_RDWR)
os.setresgid(1000, 1000, 1000)
os.setresuid(1000, 1000, 1000)
say("read", os.read, fd, 5)
say("write", os.write, fd, b"X")
say("again", open, D + "/file")
say("fchmod", os.fchmod, fd, 0o777)
say("child", os.system, "head -c 3 <&%d" % fd if os.set_inheritable(fd, True) is None else "")
