# SPDX-License-Identifier: Apache-2.0
"""The offset is shared through dup and fork and exec."""
import os
import sys

from say import D, say

fd = os.open(D + "/dir/lines", os.O_RDONLY)
two = os.dup(fd)
say("read", os.read, fd, 3)
say("dup reads on", os.read, two, 3)
say("tell", os.lseek, fd, 0, os.SEEK_CUR)
pid = os.fork()
if pid == 0:
    say("child", os.read, fd, 3)
    os._exit(0)
os.waitpid(pid, 0)
say("parent", os.read, fd, 3)
os.set_inheritable(fd, True)
sys.stdout.flush()
os.spawnlp(os.P_WAIT, "sh", "sh", "-c", "head -c 2 <&%d | cat; echo" % fd)
os.spawnlpe(os.P_WAIT, "sh", "sh", "-c", "read -r x <&%d; echo \"$x\"" % fd, {})
say("after exec", os.lseek, fd, 0, os.SEEK_CUR)
other = os.open(D + "/dir/lines", os.O_RDONLY)
say("own offset", os.read, other, 3)
three = os.dup2(fd, 90)
os.close(fd)
os.close(two)
say("last copy", os.read, 90, 4)
say("again by number", os.read, os.open("/proc/self/fd/90", os.O_RDONLY), 4)
