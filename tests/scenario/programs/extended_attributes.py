# SPDX-License-Identifier: Apache-2.0
"""Extended attributes are those of the owner's file, by name, by symlink and by descriptor, with every error."""
import os

from say import D, say

F = D + "/file"
fd = os.open(F, os.O_RDWR)
folder = os.open(D + "/dir", os.O_RDONLY)
handle = os.open(F, os.O_PATH)
say("none", os.getxattr, F, "user.a")
say("no list", os.listxattr, F)
for target in (F, fd, D + "/dir", folder, D + "/link", "/proc/self/fd/%d" % fd):
    say("set", os.setxattr, target, "user.a", b"value")
    say("get", os.getxattr, target, "user.a")
    say("list", os.listxattr, target)
    say("create", os.setxattr, target, "user.a", b"", os.XATTR_CREATE)
    say("replace", os.setxattr, target, "user.b", b"", os.XATTR_REPLACE)
    say("empty", os.setxattr, target, "user.b", b"")
    say("get empty", os.getxattr, target, "user.b")
    say("list", lambda: sorted(os.listxattr(target)))  # pylint: disable=cell-var-from-loop
    say("remove", os.removexattr, target, "user.a")
    say("remove again", os.removexattr, target, "user.a")
for size in (127, 128, 4095, 4096, 4097, 60000, 65536, 65537):
    say(f"{size} bytes", os.setxattr, F, "user.long", bytes([size % 251]) * size)
    say("come back", lambda: (len(os.getxattr(F, "user.long")), set(os.getxattr(fd, "user.long"))))
os.setxattr(F, "user.long", b"")
for number in range(40):
    os.setxattr(F, f"user.{number:0200}", b"x")
say("long list", lambda: sorted(os.listxattr(F)) == sorted(os.listxattr(fd)) and len(os.listxattr(F)))
for name in ("", "user", "user.", "trusted.a", "security.a", "system.a", "nothing.a", "user." + "n" * 250,
    "user." + "n" * 251):
    say(name[:20], os.setxattr, F, name, b"1")
    say(name[:20], os.getxattr, F, name)
    say(name[:20], os.removexattr, F, name)
say("flags", os.setxattr, F, "user.a", b"1", 99)
say("on a symlink", os.setxattr, D + "/link", "user.a", b"1", 0, follow_symlinks=False)
say("of a symlink", os.getxattr, D + "/link", "user.a", follow_symlinks=False)
say("of a symlink", os.listxattr, D + "/link", follow_symlinks=False)
say("trusted on a symlink", os.setxattr, D + "/link", "trusted.a", b"1", 0, follow_symlinks=False)
say("trusted of a symlink", os.getxattr, D + "/link", "trusted.a", follow_symlinks=False)
say("not of the file", os.getxattr, D + "/link", "trusted.a")
for path in ("missing", "dangling", "file/x", "dir/", "nothing/..", "dirlink/lines", "absolute"):
    say(path, os.getxattr, D + "/" + path, "user.a")
    say(path, os.listxattr, D + "/" + path)
    say(path, os.removexattr, D + "/" + path, "user.a")
for call in (os.getxattr, os.removexattr):
    say("O_PATH", call, handle, "user.a")
say("O_PATH", os.listxattr, handle)
say("O_PATH", os.setxattr, handle, "user.a", b"1")
os.chdir(D + "/dir")
say("relative", os.setxattr, "lines", "user.a", b"from within")
say("relative", os.getxattr, "../dir/lines", "user.a")
os.mkfifo(D + "/fifo")
say("fifo", os.setxattr, D + "/fifo", "user.a", b"1")
