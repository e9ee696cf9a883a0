# SPDX-License-Identifier: Apache-2.0
"""A program that changes its user is another caller."""
import os

from say import D, say

say("as root", os.listdir, D + "/locked")
os.seteuid(1000)
say("as 1000", os.listdir, D + "/locked")
say("make", os.close, os.open(D + "/free/byuser", os.O_CREAT | os.O_WRONLY))
say("owner", lambda: os.stat(D + "/free/byuser").st_uid)
os.seteuid(0)
say("root again", os.listdir, D + "/locked")
os.setgroups([27])
os.setegid(5)
say("gid", lambda: (os.mkdir(D + "/bygroup"), os.stat(D + "/bygroup").st_gid)[1])
pid = os.fork()
if pid == 0:
    os.setgid(27)
    os.setuid(1000)
    say("child", open, D + "/file")
    say("child group", lambda: open(D + "/sudoers").read())
    os._exit(0)
os.waitpid(pid, 0)
say("parent", lambda: open(D + "/file").read())
