# SPDX-License-Identifier: Apache-2.0
"""Stdio reads writes and seeks."""
import ctypes
import errno
import os
import sys

from say import D, say

libc = ctypes.CDLL(None, use_errno=True)
P, S, L = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_long


def fn(name, *types, result=ctypes.c_int):
    f = getattr(libc, name)
    f.argtypes = types
    f.restype = result
    return f


I, N = ctypes.c_int, ctypes.c_size_t
fopen, fdopen = fn("fopen", S, S, result=P), fn("fdopen", I, S, result=P)
freopen, fclose = fn("freopen", S, S, P, result=P), fn("fclose", P)
fgets, fputs, fflush = fn("fgets", S, I, P, result=P), fn("fputs", S, P), fn("fflush", P)
fgetc, ungetc, fread = fn("fgetc", P), fn("ungetc", I, P), fn("fread", P, N, N, P, result=N)
fseek, ftell, fileno = fn("fseek", P, L, I), fn("ftell", P, result=L), fn("fileno", P)
feof, ferror, setvbuf = fn("feof", P), fn("ferror", P), fn("setvbuf", P, P, I, N)
fgetwc, fputws = fn("fgetwc", P), fn("fputws", ctypes.c_wchar_p, P)


def why():
    return errno.errorcode[ctypes.get_errno()]


line = ctypes.create_string_buffer(100)
F = (D + "/file").encode()
f = fopen(F, b"r+")
fgets(line, 100, f)
print(line.value, ftell(f))
fgets(line, 4, f)
print(line.value)
print(fputs(b"denied?", fopen(F, b"r")), fseek(f, 0, 2), ftell(f))
print(fputs(b"more\n", f), fflush(f), os.stat(D + "/file").st_size)
print(fseek(f, 2, 0), fgetc(f), ungetc(65, f), fgetc(f), ftell(f), fseek(f, -3, 2))
fgets(line, 100, f)
print(line.value, feof(f))
fgets(line, 100, f)
print(feof(f), ferror(f), fileno(f) > 2, os.fstat(fileno(f)).st_size, fclose(f))
print(fopen(D.encode() + b"/missing", b"r"), why(), fopen(D.encode(), b"w"), why())
print(fopen(F, b"wx"), why(), fopen(F, b"q"), why())
f = fopen((D + "/a").encode(), b"a+")
fputs(b"1\n", f)
fflush(f)
open(D + "/a", "a").write("2\n")
fputs(b"3\n", f)
fclose(f)
print(open(D + "/a").read())
fd = os.open(F, os.O_RDONLY)
f = fdopen(fd, b"r")
fgets(line, 100, f)
print(line.value, fclose(f))
say("closed with it", os.fstat, fd)
f = fopen((D + "/dir/lines").encode(), b"r")
f = freopen(F, b"r", f)
fgets(line, 100, f)
print(line.value)
f = freopen(b"/dev/null", b"r", f)
print(fgets(line, 9, f), fclose(f))
f = fopen((D + "/w").encode(), b"w")
setvbuf(f, None, 2, 0)
fputs(b"unbuffered", f)
print(os.stat(D + "/w").st_size, fclose(f))
f = fopen(F, b"r")
print(fgetwc(f), fgetwc(f), fclose(f))
f = fopen((D + "/ww").encode(), b"w")
print(fputws("wide\n", f), fclose(f), open(D + "/ww").read())
big = ctypes.create_string_buffer(200000)
f = fopen((D + "/dir/sub/numbers").encode(), b"rb")
print(fread(big, 1, 200000, f), feof(f))
fclose(f)
old = sys.stdout.fileno()
f = fopen((D + "/out").encode(), b"w")
saved = os.dup(1)
os.dup2(fileno(f), 1)
os.system("echo by a child")
os.dup2(saved, 1)
fclose(f)
print(open(D + "/out").read())
