# SPDX-License-Identifier: Apache-2.0
"""The library is loaded and /net is never used: large programs say the same, and nobody asks the agent anything."""
import re

import pytest

#: tests/setup leaves them out for their size: they are tested where they are installed.
LARGE = ("node", "java")

#: Each in a folder of its own, so that both runs find the same.
PROGRAMS = {
    "ls": "ls -laR --time-style=full-iso /etc 2>&1 | sha256sum; ls -l /usr/bin | wc -l; ls /nosuch; ls -d / .",
    "bash": r"""
        bash -c 'set -e; x=$(seq 1 100 | sort -rn | head -n 3); echo $x; for i in {1..20}; do (exit $i) & done; wait
            exec 9<>f; echo a >&9; read -r y <f; echo $y; shopt -s globstar; echo /etc/apt/**/*.list
            cd /usr/../etc; pwd
            trap "echo bye" EXIT; kill -TERM $$'; bash -c 'nosuchcommand'; bash --norc -ic 'jobs; echo $-' 2>/dev/null
    """,
    "python3": r"""
        /usr/bin/python3 - <<'END'
import asyncio, concurrent.futures, glob, multiprocessing, os, shutil, socket, sqlite3, subprocess, sys, tempfile
d = tempfile.mkdtemp(dir=".")
shutil.copytree("/etc/apt", d + "/apt", symlinks=True)
print(len(glob.glob(d + "/**", recursive=True)) > 3, os.path.realpath("/etc/mtab") != "")
db = sqlite3.connect(d + "/db"); db.execute("create table t(x)")
db.executemany("insert into t values(?)", [(i,) for i in range(99)]); db.commit();
print(db.execute("select sum(x) from t").fetchone())
print(subprocess.run(["sh", "-c", "echo $0 out; echo err >&2; exit 3"], capture_output=True).returncode)
print(subprocess.run("cat", input=b"x", stdout=subprocess.PIPE, close_fds=True).stdout)
with multiprocessing.Pool(2) as pool: print(pool.map(abs, range(-3, 3)))
with concurrent.futures.ThreadPoolExecutor(8) as pool: print(sum(pool.map(os.path.getsize, ["/etc/passwd"] * 50)) > 0)
a, b = socket.socketpair(); a.sendall(b"hello"); print(b.recv(9))
async def main():
    process = await asyncio.create_subprocess_exec("echo", "async", stdout=asyncio.subprocess.PIPE)
    print(await process.communicate())
asyncio.run(main()); print(sorted(os.listdir("/proc/self/fd")), file=sys.stderr); shutil.rmtree(d); sys.exit(5)
END""",
    "gcc": r"""
        printf '#include <stdio.h>\nint main(void) { puts("built"); return 4; }\n' >p.c
        gcc -O2 -Wall -o p p.c && ./p; echo $?; gcc -shared -fPIC -o l.so p.c; objdump -d p | wc -l
        echo 'int main(void) { return x; }' >q.c; gcc q.c; echo $?
        printf 'p2: p.c\n\tgcc -o p2 p.c\n' >makefile; make; make
    """,
    "git": r"""
        export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n
        export GIT_COMMITTER_EMAIL=e GIT_AUTHOR_DATE='1 Jan 2020 0:0 +0000'
        export GIT_COMMITTER_DATE='1 Jan 2020 0:0 +0000'
        git init -q -b main r; cd r; seq 1 100 >f; git add f; git commit -qm one; echo x >>f; git diff
        git commit -qam two
        git log --format='%H %s' --stat; git clone -q . ../c; git -C ../c gc -q; git fsck
        git worktree add -q ../w HEAD~
        git -C ../w status; git checkout -q nosuch; git grep -c 1; git blame f | tail -n 2
    """,
    "node": r"""
        node -e '
            const fs = require("fs"), cp = require("child_process"), os = require("os");
            fs.mkdirSync("d/e", {recursive: true}); fs.writeFileSync("d/f", "text"); fs.copyFileSync("d/f", "d/e/g");
            console.log(fs.readdirSync("d", {recursive: true}), fs.statSync("d/e/g").size, fs.existsSync("/nosuch"));
            console.log(cp.execSync("echo child; pwd | wc -l").toString(), cp.spawnSync("false").status);
            fs.promises.readFile("/etc/hostname").then(t => { console.log(t.length > 0); process.exitCode = 6; });
            fs.open("/nosuch", (error) => console.error(error.code));'; echo $?
    """,
    "java": "java -version; echo $?; java -Xint -XX:+PrintFlagsFinal -version 2>&1 | grep -c Use; java Nosuch; echo $?",
}


def in_a_folder(script):
    return f"export LC_ALL=C TZ=UTC HOME=/tmp/lp; rm -rf /tmp/lp; mkdir /tmp/lp; cd /tmp/lp\n{script}"


def need(lab, program):
    """tests/setup leaves out what is large; everything else must be there."""
    if program in LARGE and lab.exec("a", f"command -v {program}", plain=True).status != 0:
        pytest.skip(f"{program} is not installed: tests/setup leaves it out for its size")


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_says_the_same(lab, program):
    need(lab, program)
    script = in_a_folder(PROGRAMS[program])
    plain = lab.exec("a", script, plain=True, timeout=60)
    with_library = lab.exec("a", script, timeout=60)
    assert plain.stdout, "it does something"
    assert (with_library.stdout, with_library.stderr, with_library.status) == (plain.stdout, plain.stderr, plain.status)


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_opens_no_connection_to_the_agent(lab, program):
    """Seen from the kernel: every process has the library, and no call is about anything of the agent."""
    need(lab, program)
    need(lab, "strace")
    library = lab.exec("a", ["sh", "-c", 'echo "$LD_PRELOAD"']).stdout.strip()
    words = ["strace", "-f", "-qq", "-e", "trace=execve,connect,sendmsg,memfd_create,open,openat", "-o", "/tmp/trace",
             "-E", f"LD_PRELOAD={library}", "bash", "-c", in_a_folder(PROGRAMS[program])]
    lab.exec("a", words, plain=True, timeout=90)
    trace = lab.exec("a", ["cat", "/tmp/trace"], plain=True).stdout.splitlines()
    assert sum("libqnet.so" in line for line in trace) >= 2, "the library was there"
    assert not [line for line in trace if re.search(r"agent\.sock|qnet-", line)]
