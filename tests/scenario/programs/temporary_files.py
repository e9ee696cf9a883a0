# SPDX-License-Identifier: Apache-2.0
"""Temporary files and patterns."""
import ctypes
import errno
import glob
import os
import shutil
import tempfile

from say import D, say

libc = ctypes.CDLL(None, use_errno=True)


def mk(function, template, *more):
    b = ctypes.create_string_buffer((D + template).encode())
    r = getattr(libc, function)(b, *more)
    if r < 0:
        return errno.errorcode[ctypes.get_errno()]
    return len(b.value) - len(D), oct(os.stat(b.value).st_mode & 0o777)


say("mkstemp", mk, "mkstemp", "/t-XXXXXX")
say("mkostemp", mk, "mkostemp", "/t-XXXXXX", os.O_APPEND)
say("mkstemps", mk, "mkstemps", "/t-XXXXXX.c", 2)
say("no X", mk, "mkstemp", "/t-XXXX")
say("no dir", mk, "mkstemp", "/missing/XXXXXX")
libc.mkdtemp.restype = ctypes.c_char_p
name = libc.mkdtemp(ctypes.create_string_buffer((D + "/d-XXXXXX").encode()))
say("mkdtemp", lambda: oct(os.stat(name).st_mode))
with tempfile.TemporaryFile(dir=D) as f:
    f.write(b"temp")
    f.seek(0)
    say("tempfile", f.read)
with tempfile.NamedTemporaryFile(dir=D) as f:
    f.write(b"named")
    f.flush()
    say("named", lambda: open(f.name).read())
os.environ["TMPDIR"] = D
tempfile.tempdir = None
say("dir", lambda: tempfile.gettempdir() == D)
for e in glob.glob(D + "/[td]-??????*"):
    (shutil.rmtree if os.path.isdir(e) else os.unlink)(e)
libc.glob.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


class G(ctypes.Structure):
    _fields_ = [("n", ctypes.c_size_t), ("v", ctypes.POINTER(ctypes.c_char_p)), ("o", ctypes.c_size_t),
                ("r", ctypes.c_char * 64)]


def pattern(text, flags=0):
    g = G()
    r = libc.glob((D + text).encode(), flags, None, ctypes.byref(g))
    return (r, [g.v[i].decode()[len(D):] for i in range(g.n)])


say("glob", pattern, "/*")
say("deep", pattern, "/d*/l*")
say("mark", pattern, "/[de]*", 2)
say("none", pattern, "/no*")
say("nocheck", pattern, "/no*", 16)
say("through link", pattern, "/dirlink/*")
say("exact", pattern, "/file")
say("brace", pattern, "/{file,link}", 1 << 10)
