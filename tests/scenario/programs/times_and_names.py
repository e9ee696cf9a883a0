# SPDX-License-Identifier: Apache-2.0
"""Symlink modes and time stamps to the nanosecond."""
import os

from say import D, say

os.utime(D + "/file", ns=(1, 999999999))
s = os.stat(D + "/file")
print(s.st_atime_ns, s.st_mtime_ns)
os.utime(D + "/link", ns=(5, 6), follow_symlinks=False)
print(os.lstat(D + "/link").st_mtime_ns, os.stat(D + "/link").st_mtime_ns)
os.utime(D + "/file", ns=(-1500000000, 5 * 10**18))
s = os.stat(D + "/file")
print(s.st_atime_ns, s.st_mtime_ns)
fd = os.open(D + "/file", os.O_RDONLY)
os.utime(fd, (7.5, 8.25))
print(os.fstat(fd).st_mtime)
say("missing", os.utime, D + "/missing")
say("chmod link", os.chmod, D + "/link", 0o711)
print(oct(os.stat(D + "/file").st_mode))
say("lchown", os.lchown, D + "/link", 3, 4)
print(os.lstat(D + "/link").st_uid, os.stat(D + "/link").st_uid)
say("fchown", os.fchown, fd, 5, -1)
print(os.fstat(fd).st_uid)
say("long link", os.symlink, "x" * 4000, D + "/long")
print(len(os.readlink(D + "/long")))
say("empty link", os.symlink, "", D + "/e")
say("again", os.symlink, "y", D + "/long")
for odd in ("\xe4", "a\nb", "-", " ", "~x", "b~y:z"):
    open(D + "/" + odd, "w").close()
say("odd names", lambda: sorted(os.listdir(os.fsencode(D))))
say("nul free", os.mkdir, D + "/" + "n" * 255)
say("too long", os.mkdir, D + "/" + "n" * 256)
deep = D
for _ in range(8):
    deep += "/" + "d" * 250
    os.mkdir(deep)
open(deep + "/f", "w").write("deep")
print(len(os.path.realpath(deep)) - len(D))
print(open(deep + "/f").read())
