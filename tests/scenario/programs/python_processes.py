# SPDX-License-Identifier: Apache-2.0
"""Children, threads and pools that share files of another node."""
import concurrent.futures
import fcntl
import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading

from say import D, here, say

CHILD = [sys.executable, "-B", "-c"]


def run(*words, **how):
    done = subprocess.run(words, capture_output=True, text=True, check=False, **how)
    return done.returncode, here(done.stdout), here(done.stderr)


def checksum(path):
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def children():
    say("cwd", run, "pwd", cwd=D)
    say("cwd", run, "ls", "dir", cwd=D + "/dirlink/..")
    say("missing cwd", lambda: run("true", cwd=D + "/missing"))
    say("not a cwd", lambda: run("true", cwd=D + "/file"))
    fd = os.open(D + "/dir/lines", os.O_RDONLY)
    script = "import os; print(os.read({0}, 6))".format(fd)
    say("closed", lambda: run(*CHILD, script)[0])
    say("passed", lambda: run(*CHILD, script, pass_fds=[fd]))
    say("offset moved", os.lseek, fd, 0, os.SEEK_CUR)
    os.set_inheritable(fd, True)
    say("inherited", lambda: run(*CHILD, script, close_fds=False))
    with open(D + "/file") as source, open(D + "/out", "w") as target, open(D + "/errors", "w") as errors:
        say("streams", subprocess.call, ["sh", "-c", "cat; echo oops >&2"], stdin=source, stdout=target, stderr=errors)
    say("out", lambda: (open(D + "/out").read(), open(D + "/errors").read()))  # pylint: disable=consider-using-with
    with open(D + "/both", "w") as both:
        subprocess.call("echo 1; echo 2 >&2; echo 3", shell=True, stdout=both, stderr=subprocess.STDOUT)
    say("both", lambda: open(D + "/both").read())  # pylint: disable=consider-using-with
    say("preexec", lambda: run("cat", "lines", preexec_fn=lambda: os.chdir(D + "/dir")))
    say("session", lambda: run("sh", "-c", "cd dir && pwd && cd .. && pwd", cwd=D, start_new_session=True,
        env={"PATH": "/usr/bin:/bin"} | {
        name: value for name, value in os.environ.items() if name.startswith(("LD_", "QNET"))}))
    with subprocess.Popen(["sort"], stdin=subprocess.PIPE, stdout=open(D + "/sorted", "w"), text=True) as sorter:
        with open(D + "/dir/lines") as lines:
            sorter.communicate(lines.read())
    say("sorted", lambda: open(D + "/sorted").read())  # pylint: disable=consider-using-with
    actions = [(os.POSIX_SPAWN_OPEN, 1, D + "/spawned", os.O_WRONLY | os.O_CREAT, 0o640), (os.POSIX_SPAWN_DUP2, 1, 2)]
    process = os.posix_spawn("/bin/ls", ["ls", D + "/dir"], os.environ, file_actions=actions)
    say("spawned", lambda: (os.waitpid(process, 0)[1],
        open(D + "/spawned").read()))  # pylint: disable=consider-using-with
    say("popen", lambda: here(os.popen(f"cat {D}/file").read()))
    os.close(fd)


def forked():
    fd = os.open(D + "/counted", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    processes = []
    for number in range(8):
        process = os.fork()
        if process == 0:
            for line in range(20):
                os.write(fd, b"%d %02d\n" % (number, line))
            os._exit(0)
        processes.append(process)
    print("forked", [os.waitpid(one, 0)[1] for one in processes])
    lines = os.pread(fd, 100000, 0).splitlines()
    print(len(lines), all(sorted(lines)[i] == b"%d %02d" % (i // 20, i % 20) for i in range(160)))


def locked_counter(path, times):
    """Record locks exclude processes, whatever they do in between."""
    fd = os.open(path, os.O_RDWR)
    for _ in range(times):
        fcntl.lockf(fd, fcntl.LOCK_EX, 8, 0)
        value = int(os.pread(fd, 8, 0) or b"0")
        os.pwrite(fd, b"%08d" % (value + 1), 0)
        fcntl.lockf(fd, fcntl.LOCK_UN, 8, 0)
    os.close(fd)


def pools():
    names = []
    for number in range(24):
        names.append(f"{D}/dir/sub/f{number}")
        with open(names[-1], "wb") as stream:
            stream.write(os.urandom(1) * (number * 4111))
    expected = [checksum(name) for name in names]
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        print("pool", pool.map(checksum, names) == expected)
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        print("spawned pool", list(pool.map(checksum, names[:6])) == expected[:6])
    open(D + "/counter", "w").close()
    workers = [context.Process(target=locked_counter, args=(D + "/counter", 25)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    say("counted", lambda: open(D + "/counter").read())  # pylint: disable=consider-using-with


def mixed_work(number):
    """Writes, seeks, maps names about and reads back; returns what went wrong."""
    folder = f"{D}/threads/{number}"
    os.makedirs(folder)
    for turn in range(6):
        content = bytes([number, turn]) * (1 + 3001 * turn)
        path = f"{folder}/{turn}"
        with open(path, "wb") as stream:
            for at in range(0, len(content), 1000):
                stream.write(content[at:at + 1000])
        os.rename(path, path + ".done")
        with open(path + ".done", "r+b") as stream:
            stream.seek(len(content) // 2)
            if stream.read() != content[len(content) // 2:]:
                return f"thread {number}: wrong bytes in turn {turn}"
        if checksum(path + ".done") != hashlib.sha256(content).hexdigest():
            return f"thread {number}: wrong checksum in turn {turn}"
        if os.stat(path + ".done").st_size != len(content) or turn % 2 and os.unlink(path + ".done"):
            return f"thread {number}: wrong size in turn {turn}"
    return "" if sorted(os.listdir(folder)) == ["0.done", "2.done",
        "4.done"] else f"thread {number}: {os.listdir(folder)}"


def threads():
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        print("threads", sorted(set(pool.map(mixed_work, range(16)))))
    shared = os.open(D + "/appended", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    workers = [threading.Thread(target=lambda letter: [os.write(shared, letter * 99 + b"\n") for _ in range(20)],
        args=(b"%c" % letter,))
               for letter in range(65, 81)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    lines = os.pread(shared, 100000, 0).split(b"\n")[:-1]
    print(len(lines), all(len(set(line)) == 1 and len(line) == 99 for line in lines))


if __name__ == "__main__":
    os.umask(0o022)
    for part in (children, forked, pools, threads):
        part()
