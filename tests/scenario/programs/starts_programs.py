# SPDX-License-Identifier: Apache-2.0
"""Every function that starts a program, on programs and scripts in $D/bin."""
import ctypes
import errno
import os
import signal
import subprocess
import sys

from say import D, say

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
BIN = (D + "/bin/").encode()
os.environ["PATH"] = D + "/missing:" + D + "/bin:/usr/bin:/bin"
sys.stdout.reconfigure(line_buffering=True)


def texts(*words):
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


def child(name, function, *arguments):
    """Calls function in a child, which says the error if it comes back."""
    pid = os.fork()
    if pid == 0:
        ctypes.set_errno(0)
        function(*arguments)
        print("   ", errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno()))
        os._exit(99)
    print(name, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


ENV = texts(b"A=1", b"PATH=/nowhere")
for what in (b"s", b"echo", b"plain", b"missing", b"denied", b"link", b"own", b"empty", b"to-nothing", b"twice"):
    path, words = BIN + what, texts(what, b"-u", b"x")
    child(f"execv {what}", libc.execv, path, words)
    child(f"execve {what}", libc.execve, path, words, ENV)
    child(f"execvp {what}", libc.execvp, what, words)
    child(f"execvpe {what}", libc.execvpe, what, words, ENV)
    child(f"execl {what}", libc.execl, path, what, b"-u", b"y", None)
    child(f"execlp {what}", libc.execlp, what, what, b"-u", b"y", None)
    child(f"execle {what}", libc.execle, path, what, b"-u", b"y", None, ENV)
    child(f"execveat {what}", libc.execveat, AT_FDCWD, path, words, ENV, 0)
    pid = ctypes.c_int()
    for name in ("posix_spawn", "posix_spawnp"):
        error = getattr(libc, name)(ctypes.byref(pid), path if name == "posix_spawn" else what, None, None, words, ENV)
        print(name, what, errno.errorcode[error] if error else wait(pid.value))
child("execv without arguments", libc.execv, BIN + b"s", texts())

here = os.open(D + "/bin", os.O_PATH | os.O_DIRECTORY)
os.set_inheritable(here, True)
os.dup2(here, 50)
for what in (b"s", b"echo", b"missing", b"./link", b"denied", b"twice"):
    child(f"execveat 50 {what}", libc.execveat, 50, what, texts(what, b"-u"), ENV, 0)
child("execveat nofollow", libc.execveat, 50, b"link", texts(b"x"), ENV, 0x100)
child("execveat closing", libc.execveat, here, b"s", texts(b"x"), ENV, 0)
os.set_inheritable(50, False)
child("execveat closing", libc.execveat, 50, b"s", texts(b"x"), ENV, 0)
child("execveat closing program", libc.execveat, 50, b"echo", texts(b"echo", b"-u", b"x"), ENV, 0)

for what in ("s", "echo", "denied", "twice", "dir"):
    for flags in (os.O_RDONLY, os.O_PATH):
        fd = say(f"open {what}", os.open, D + "/bin/" + what if what != "dir" else D + "/dir", flags)
        os.dup2(fd, 60)
        child(f"fexecve {what} {flags}", libc.fexecve, 60, texts(what.encode(), b"-u", b"z"), ENV)
        child(f"execveat empty {what}", libc.execveat, 60, b"", texts(what.encode(), b"-u", b"z"), ENV, AT_EMPTY_PATH)
        os.set_inheritable(60, False)
        child(f"fexecve closing {what}", libc.fexecve, 60, texts(what.encode(), b"-u", b"z"), ENV)
        os.close(60)
gone = os.open(D + "/bin/gone", os.O_RDONLY)
os.unlink(D + "/bin/gone")
child("fexecve unlinked", libc.fexecve, gone, texts(b"echo", b"-u", b"z"), ENV)

# posix_spawn with attributes and file actions.
os.chdir(D)
out = D + "/spawned"
CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
for program in ("s", "echo"):
    say("open", lambda p=program: wait(os.posix_spawn("bin/" + p, [p, "-u", "1"], {"B": "2"}, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, out, CREATE, 0o640), (os.POSIX_SPAWN_DUP2, 1, 2)])))
    print(open(out).read(), oct(os.stat(out).st_mode))
    os.set_inheritable(here, False)
    fd = os.open(out, os.O_WRONLY | os.O_APPEND)
    say("dup2", lambda p=program, f=fd: wait(os.posix_spawn("bin/" + p, [p, "-u", "2"], {"B": "2"}, file_actions=[
        (os.POSIX_SPAWN_DUP2, f, 1), (os.POSIX_SPAWN_CLOSE, f)])))
    os.close(fd)
    print(open(out).read())
    read = [(os.POSIX_SPAWN_OPEN, 0, D + "/file", os.O_RDONLY, 0)]
    say("stdin", lambda r=read: wait(os.posix_spawnp("cat", ["cat"], {}, file_actions=r)))
    say("missing", lambda p=program: wait(os.posix_spawnp(p, [p], {}, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, D + "/missing", os.O_RDONLY, 0)])))
    say("everything closed", lambda p=program: wait(os.posix_spawnp(p, [p, "-u", "c"], {}, file_actions=[
        (os.POSIX_SPAWN_CLOSE, n) for n in range(3, 60)])))
    say("attributes", lambda p=program: wait(os.posix_spawnp(p, [p, "-u", "4"], {}, setpgroup=0, setsigmask=[
        signal.SIGUSR1], setsigdef=[signal.SIGPIPE])))


class Actions(ctypes.Structure):
    _fields_ = [("memory", ctypes.c_long * 32)]


def spawn_in(name, program, directory=None, fd=None, closefrom=None, words=(b"pwd",)):
    actions, pid = Actions(), ctypes.c_int()
    libc.posix_spawn_file_actions_init(ctypes.byref(actions))
    error = 0
    if directory is not None:
        error = libc.posix_spawn_file_actions_addchdir_np(ctypes.byref(actions), directory)
    if fd is not None:
        error = error or libc.posix_spawn_file_actions_addfchdir_np(ctypes.byref(actions), fd)
    if closefrom is not None:
        error = error or libc.posix_spawn_file_actions_addclosefrom_np(ctypes.byref(actions), closefrom)
    error = error or libc.posix_spawnp(ctypes.byref(pid), program, ctypes.byref(actions), None, texts(*words), ENV)
    print(name, errno.errorcode[error] if error else wait(pid.value))
    libc.posix_spawn_file_actions_destroy(ctypes.byref(actions))


spawn_in("chdir", b"pwd", directory=D.encode() + b"/dir/sub")
spawn_in("chdir link", b"pwd", directory=D.encode() + b"/dirlink")
spawn_in("chdir missing", b"pwd", directory=D.encode() + b"/missing")
spawn_in("chdir away", b"pwd", directory=b"/usr")
spawn_in("fchdir", b"pwd", fd=here)
spawn_in("relative program", b"./s", directory=BIN, words=(b"s", b"1"))
spawn_in("relative program", b"bin/echo", directory=D.encode(), words=(b"echo", b"-u", b"X"))
spawn_in("relative program after fchdir", b"./s", fd=here, words=(b"s", b"1"))
spawn_in("relative program not there", b"./s", directory=D.encode() + b"/dir", words=(b"s", b"1"))
spawn_in("closefrom", b"s", closefrom=3, words=(b"s", b"1"))
spawn_in("closefrom", b"echo", closefrom=3, words=(b"echo", b"-u", b"X"))

# The shell of libc.
say("system", os.system, "pwd; cat file; bin/s from; s path; echo x >made; exit 3")
say("popen", os.popen("cat; s popen; pwd").read)
pipe = os.popen("cat >piped; exit 4", "w")
pipe.write("through\n")
say("pclose", pipe.close)
print(open("piped").read(), end="")
say("subprocess", subprocess.run, ["s", "a"], cwd=D + "/dir", env={"PATH": D + "/bin"}, close_fds=True, check=False)
say("subprocess", lambda: subprocess.run("pwd; s b <../file; cat ../file", shell=True, cwd=D + "/dir", check=False))
say("capture", lambda: subprocess.run(["env", "-i", "cat"], stdin=open(D + "/file"), capture_output=True, check=False))
say("preexec", lambda: subprocess.run(["./s", "c"], cwd=D + "/bin", preexec_fn=lambda: os.umask(0), check=False))
say("to file", lambda: subprocess.run(["./s", "d"], cwd="bin", stdout=open("out", "w"), check=False))
print(open("out").read(), end="")
os.chdir("/")
libc.clearenv()
command = "cat %s/file; echo \"it's $0\" >%s/$0.made; cat %s/sh.made; exit 3" % (D, D, D)
print("system without environment", libc.system(command.encode()))
print("popen without environment", os.popen(command).read())
