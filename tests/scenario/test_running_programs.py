# SPDX-License-Identifier: Apache-2.0
"""Programs and scripts that lie on another node run here, from every function that starts programs, as natively."""
import pytest

from harness import wait_until
from side_by_side import PLACE, PREFIX, prepare, same, same_program

#: Programs in $D/bin, beside the usual tree.
PROGRAM_TREE = r"""
mkdir $D/bin; cd $D/bin
printf '#!/bin/sh\necho "$0 $# $*"\n' >s
printf '#!/bin/sh -e\necho "$0 [$-]"; false; echo not reached\n' >with-e
printf '#! /usr/bin/env  -S  sh -u \necho "$0"; echo $nothing\n' >with-many
printf '#!/bin/sh' >no-newline
printf '#!\n' >no-interpreter
printf '#!/no/such/interpreter\n' >lost
printf '#!/net/b%s\n' $D/dir >into-directory
printf '#!bin/s relative\n' >relative
printf '#!/usr/bin/python3\nimport sys; print(sys.argv)\n' >python
printf '#!/net/b%s/bin/s one two \n' $D >twice
printf '#!/net/b%s/bin/twice\n' $D >thrice
printf '#!/net/b%s/bin/self\n' $D >self
printf 'echo "no first line: $0 $1"\n' >plain
printf '\177ELF nonsense' >broken
: >empty
printf '#!/bin/sh\nread x <"$1"; echo "$x"; pwd; exit 7\n' >reads
printf '#!/bin/sh\nkill -TERM $$\n' >dies
cp /bin/echo /usr/bin/env /usr/bin/printf /usr/bin/readlink /bin/bash .
chmod 755 *
printf '#!/bin/sh\necho never\n' >denied
printf '#!/bin/sh\necho mine\n' >own; chmod 700 own; chown 1000:1000 own
chmod 755 $D/bin; ln -s s link; ln -s ../bin/link links; ln -s nothing dangling-program; mkfifo fifo; chmod 755 fifo
"""


@pytest.fixture
def b_in_net_of_b(lab):
    """On b itself /net/b is b, so that a path that is written into a script means the same natively."""
    lab.exec("b", "mkdir /net && ln -s / /net/b", plain=True, check=True)
    yield
    lab.exec("b", "rm /net/b && rmdir /net", plain=True, check=True)


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_shells_run_remote_programs_and_scripts(lab, b_in_net_of_b, shell):
    same(lab, r"""
        $D/bin/s a 'b c'; cd $D/bin; ./s; ../bin/s x; cd ..; bin/s y
        $D/bin/link a; $D/bin/links
        PATH=$D/bin:$PATH; s from path; env sh -c 'echo "$0"'; python x
        PATH=$D/bin; printf '%s\n' found; bash -c 'echo "$0 $BASH"'
        cd $D; PATH=bin:$PATH; s relative path
        cd $D/bin; PATH=:$PATH; s empty entry
        PATH=$D/missing:$D/file:$D/bin:/bin; s after what is no directory
        PATH=$D/bin:$PATH; nosuch
        PATH=$D/bin; denied; dangling-program; echo $?
        $D/bin/with-e; echo $?
        $D/bin/with-many; echo $?
        $D/bin/no-newline; echo $?
        $D/bin/python 1 '2 3' ''
        cd $D/bin; ./python rel
        $D/bin/plain arg
        PATH=$D/bin:$PATH; plain arg
        $D/bin/reads $D/file; echo $?
        cd $D; bin/reads file
        (cd $D/bin; ./s >../out); cat $D/out; $D/bin/reads $D/missing 2>/dev/null; echo $?
        echo in | $D/bin/env cat; $D/bin/env cat <$D/file
        env -i $D/bin/s clean; env -i X=1 $D/bin/env | grep -v ^LD_PRELOAD | sort
        exec $D/bin/s replaced
        $D/bin/bash -c 'echo $0 $1; cat $1' name $D/file
        (for i in 1 2 3; do $D/bin/s $i & done; wait) | sort
        $D/bin/s a | $D/bin/env tr a e | cat
        x=$($D/bin/s sub); echo "$x"
        find $D/dir -type f -exec $D/bin/s {} \; | sort
        xargs -n 1 $D/bin/s <$D/file
        $D/bin/readlink /proc/self/exe | sed 's,^/net/b,,'
        $D/bin/bash -c 'read -r name </proc/self/comm; echo $name'
        (cd $D/bin; nice ./s nice; timeout 5 ./s timeout; nohup ./s nohup 2>/dev/null; setsid -w ./s setsid)
        $D/bin/dies
        $D/bin/s $(seq 1 2000) | wc -w
    """, shell=shell, more=PROGRAM_TREE)


def test_local_symlinks_lead_to_remote_programs(lab, b_in_net_of_b):
    same(lab, r"""
        ln -s /net/b$D/bin/s $L/s; $L/s a; cd $L; ./s b; PATH=$L:$PATH s c; sh -c './s d'; env ./s e; exec ./s f
        ln -s /net/b$D/bin $L/bin; $L/bin/s a; PATH=$L/bin:$PATH; s b; readlink /proc/self/exe | sed 's,.*/,,'
        ln -s /net/b$D/bin/echo $L/tool; $L/tool x; xargs -n1 $L/tool <$D/file; find $L/tool -exec $L/tool {} \;
        ln -s /net/b$D/bin/missing $L/none; $L/none; env $L/none; ln -s /net/b$D/bin/denied $L/den; env $L/den
        ln -s loop $L/loop; env $L/loop; ln -s /net/b$D/bin/link $L/two; $L/two
        printf '#!%s/tool -n\n' $L >$L/script; chmod +x $L/script; ln -s /net/b$D/bin/echo $L/tool; $L/script arg
        ln -s /net/b$D/bin/echo $L/t; python3 -c "import os; os.waitpid(os.posix_spawn('$L/t', ['t', '1'], {}), 0)"
        ln -s /net/b$D/bin $L/p; PATH=$L/p:$PATH python3 -c "import os; os.waitpid(os.posix_spawnp('s', ['s'], {}), 0)"
    """.replace("/net/b$D", "$N"), more=PROGRAM_TREE, env={"N": PREFIX + PLACE})


@pytest.mark.slow
def test_every_function_that_starts_programs(lab, b_in_net_of_b):
    same_program(lab, "starts_programs", more=PROGRAM_TREE + "cp echo gone; ln -s link to-link\n"
                 "printf '#!/net/b/no/such\\n' >to-nothing; chmod 755 to-nothing\n")


def test_what_cannot_be_run_says_what_it_says_natively(lab, b_in_net_of_b):
    same(lab, r"""
        $D/bin/missing; echo $?
        $D/bin/denied; echo $?
        $D/bin; echo $?
        $D/bin/dangling-program; echo $?
        $D/file/x; echo $?
        $D/bin/lost 2>/dev/null; echo $?
        $D/bin/into-directory 2>/dev/null; echo $?
        $D/bin/no-interpreter; echo $?
        timeout 5 $D/bin/fifo; echo $?; timeout 5 env $D/bin/fifo
        $D/bin/empty; echo $?
        env $D/bin/missing; env $D/bin/denied; env $D/bin; env $D/bin/lost; env $D/bin/self; env $D/bin/dangling-program
        env $D/bin/no-interpreter; env $D/bin/empty x; env $D/bin/broken; env $D/bin/into-directory
    """, more=PROGRAM_TREE)


def test_permission_bits_are_the_owner_s_to_check(lab):
    same(lab, r"""
        $D/bin/own; echo $?
        $D/bin/denied; echo $?
        $D/locked/s; echo $?
        $D/bin/s as user; PATH=$D/bin:$PATH; s as user
        env $D/bin/own; env $D/locked/s; env $D/bin/denied
    """, more=PROGRAM_TREE + "cp s $D/locked/\n", user=1000)
    same(lab, "$D/bin/own\n$D/bin/denied; echo $?", more=PROGRAM_TREE + "cp s $D/locked/\n", user=1001)


def test_interpreters_may_be_remote_themselves(lab, b_in_net_of_b):
    same(lab, r"""
        $D/bin/twice a; cd $D/bin; ./twice rel
        $D/bin/thrice a b
        PATH=$D/bin:$PATH; twice p; thrice q
        cd $D; bin/relative x; cd bin; ./relative x; echo $?
        $D/bin/own-python 'x y'; $D/bin/own-bash
        env $D/bin/self; env $D/bin/linked z; env $D/bin/to-nothing; env $D/bin/to-denied
        cp $D/bin/twice $D/bin/own-bash $D/bin/self $L; $L/twice local; cd $L; ./twice rel; PATH=$L:$PATH twice found
        cp $D/bin/own-bash $L; $L/own-bash arg; env $L/own-bash arg
        cp $D/bin/self $D/bin/to-nothing $D/bin/to-denied $L; env $L/to-nothing; env $L/to-denied
        cp $D/bin/twice $L; chmod -x $L/twice; env $L/twice; $L/twice
    """, more=PROGRAM_TREE + r"""
printf '#!/net/b/usr/bin/python3\nimport sys, os; print(sys.argv, os.path.basename(sys.executable))\n' >own-python
printf '#!/net/b%s/bin/bash -u\necho "$0 $# $BASH $-"; echo $nothing\n' $D >own-bash
printf '#!/net/b%s/bin/link\n' $D >linked
printf '#!/net/b/no/such\n' >to-nothing; printf '#!/net/b%s/bin/denied\n' $D >to-denied
chmod 755 own-python own-bash linked to-nothing to-denied
""")


#: A second agent on node a, out of the way of the first.
AGENT = "qnetd --name z --link en0=udp:127.0.0.1:9204 --socket /tmp/z.sock --state-dir /tmp/z.state --trusted"


@pytest.fixture
def agent_elsewhere(lab):
    agent = lab.start("a", f"exec {lab.build}/bin/{AGENT} 2>&1", plain=True)
    asked = [f"{lab.build}/bin/qnet", "nodes"]
    wait_until(lambda: lab.exec("a", asked, plain=True, env={"QNET_SOCKET": "/tmp/z.sock"}).status == 0, 10, "ready")
    yield {"QNET_SOCKET": "/tmp/z.sock", "QNET_MAP": "/srv/mapped=/net/z/etc"}
    agent.kill()
    lab.exec("a", "rm -f /tmp/z.sock*", plain=True)


@pytest.mark.slow
@pytest.mark.parametrize("command, printed", [
    ("env -i /bin/cat /net/z/etc/hostname /srv/mapped/hostname", "a a"),
    ("env -i PATH=/bin sh -c 'cat /srv/mapped/hostname; env -i /bin/ls -d /srv/mapped'", "a /srv/mapped"),
    ("env -i A=1 env | cut -d= -f1 | sort", "A LD_PRELOAD QNET_MAP QNET_SOCKET"),
    ("env -i QNET_MAP= QNET_SOCKET=/tmp/nobody env | grep QNET | sort", "QNET_MAP= QNET_SOCKET=/tmp/nobody"),
    ("env -u QNET_MAP cat /srv/mapped/hostname 2>/dev/null || echo no map", "no map"),
    ("LD_PRELOAD= ls /srv/mapped 2>/dev/null || echo led out", "led out"),
    ("perl -e '%ENV = (); system q(cat /srv/mapped/hostname); print `cat /net/z/etc/hostname`'", "a a"),
    ("python3 -c 'import subprocess as s; s.run([\"/bin/cat\", \"/srv/mapped/hostname\"], env={})'", "a"),
])
def test_children_with_another_environment_see_the_same_net(lab, agent_elsewhere, command, printed):
    result = lab.exec("a", command, env=agent_elsewhere)
    assert (result.stdout.split(), result.stderr) == (printed.split(), "")


def test_only_the_library_is_added_where_nothing_else_is_needed(lab):
    assert lab.exec("a", "env -i A=1 env | cut -d= -f1 | sort").stdout == "A\nLD_PRELOAD\n"


def test_children_of_every_kind_use_remote_files(lab):
    same_program(lab, "children")


@pytest.mark.slow
def test_system_calls_by_number(lab):
    same_program(lab, "system_calls")


def test_rare_functions_of_libc(lab):
    same_program(lab, "rare_calls", more="printf '/dev/x /y ext4 rw 0 0\\nz:/a /b nfs ro 0 0\\n' >$D/table\n")


def test_io_uring_is_absent_so_that_callers_use_what_reaches_remote_files(lab):
    result = lab.exec("a", ["/usr/bin/python3", "-c",
                            "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.syscall(425, 1, 0), "
                            "ctypes.get_errno())"])
    assert result.stdout == "-1 38\n"


def test_a_lost_node_in_path_does_not_stop_the_search(lab):
    lab.agent("b", "kill")
    try:
        result = lab.exec("a", r"""
            PATH=/net/b/usr/bin:/usr/bin:/bin; ls -d /etc; env echo by execvp
            python3 -c 'import os; os.waitpid(os.posix_spawnp("echo", ["echo", "by posix_spawnp"], os.environ), 0)'
            /net/b/usr/bin/true; echo $?; env /net/b/usr/bin/true; echo $?
        """, timeout=20)
    finally:
        lab.agent("b", "restart")
        lab.wait_seen("a", "b")
    assert result.stdout.splitlines() == ["/etc", "by execvp", "by posix_spawnp", "126", "126"]
    assert result.stderr.count("Host is down") == 2


def test_a_library_on_another_node_is_a_clear_error_and_a_copy_of_it_loads(lab):
    where = "/usr/bin/python3 -c 'import _ctypes; print(_ctypes.__file__)'"
    lab.exec("b", f"cp $({where}) /tmp/_ctypes.so", plain=True, check=True)
    result = lab.exec("a", ["/usr/bin/python3", "-c", r"""
import ctypes, os, shutil, sys
os.chdir("/net/b/tmp")
sys.path.insert(0, "/net/b/tmp")
del sys.modules["_ctypes"]
for load in (lambda: ctypes.CDLL("/net/b/tmp/_ctypes.so"), lambda: ctypes.CDLL("./_ctypes.so"),
             lambda: __import__("_ctypes")):
    try: load()
    except (OSError, ImportError) as error: print(error)
shutil.copy("_ctypes.so", "/tmp/_ctypes.so")
print(bool(ctypes.CDLL("/tmp/_ctypes.so").PyInit__ctypes))
"""])
    assert result.stderr == ""
    error = "_ctypes.so: cannot open shared object file: No such file or directory"
    assert result.stdout.splitlines() == [f"/net/b/tmp/{error}", f"./{error}", f"/net/b/tmp/{error}", "True"]


def test_mapped_programs_and_interpreters(lab):
    prepare(lab, PROGRAM_TREE, False)
    result = lab.exec("a", r"""
        cd /tmp; /srv/tools/s a; PATH=/srv/tools:$PATH s b; /srv/tools/readlink /proc/self/exe; cd /srv/tools; ./s c
        printf '#!/srv/tools/bash -e\necho "$0 $BASH $1"\n' >/tmp/mapped; chmod +x /tmp/mapped; /tmp/mapped d
        env -i /tmp/mapped e; rm /tmp/mapped
    """, env={"QNET_MAP": f"/srv/tools={PREFIX}{PLACE}/bin"})
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "/srv/tools/s 1 a", "/srv/tools/s 1 b", "/srv/tools/readlink", "./s 1 c",
        "/tmp/mapped /srv/tools/bash d", "/tmp/mapped /srv/tools/bash e"]
