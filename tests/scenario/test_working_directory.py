# SPDX-License-Identifier: Apache-2.0
"""A working directory on b is that directory itself, as on one machine: whatever it is called, whoever uses it."""
import pytest

from conversation import Conversation, converse
from side_by_side import same


@pytest.mark.parametrize("command", [
    "cd $D; mkdir n; cd n; rmdir ../n; ls -a; pwd; touch x; echo >y; mkdir z; cat w; cd .; ls ..",
    "cd $D; mkdir n; cd n; rmdir ../n; mkdir ../n; touch ../n/other; ls; touch x; cd ../n; ls",
    "cd $D; mkdir n; cd n; rmdir ../n; /bin/pwd; echo $?",
    "cd $D; mkdir m; cd m; mv ../m ../m2; /bin/pwd; touch here; ls ../m2",
    "cd $D; mkdir m; cd m; mv ../m ../m2; mkdir ../m; touch in; ls; ls ../m; cat /proc/self/cwd/in; find . | sort",
    "cd $D; mkdir m; cd m; mv ../m ../dir/m; cd ..; /bin/pwd; cat lines",
    "cd $D; mkdir m; cd m; mv ../m ../m2; touch a; mv a b; ln b c; ln -s b s; cp s d; mv d ../d; rm c; ls . ..",
    "cd $D; mkdir m; cd m; mv ../m ../m2; sh -c 'touch of-child; /bin/pwd'; env -i /bin/sh -c '/bin/ls; /bin/pwd'",
    "cd $D; mkdir m; cd m; mv ../m ../m2; printf '#!/bin/sh\\necho ran $0\\n' >s; chmod +x s; ./s; ./s | cat; echo *",
    "cd $D; mkdir m; exec 3<.; cd m; mv ../m ../m2; (cd /; cd /proc/self/fd/3; ls -d m*); ls -d ../m*",
])
def test_it_is_the_directory_and_not_its_name(lab, command):
    same(lab, [command])


def test_the_owner_renames_it(lab):
    lab.exec("b", "rm -rf /tmp/w*; mkdir -p /tmp/w/deep", plain=True, check=True)
    shell = Conversation(lab.start("a", "cd /net/b/tmp/w/deep; echo in; read; echo text >f; /bin/pwd; cat f; ls ../.."))
    assert shell.read_line() == "in\n"
    lab.exec("b", "mv /tmp/w /tmp/w2; mkdir -p /tmp/w/deep", plain=True, check=True)
    result = shell.wait()
    assert result.stderr == ""
    assert result.stdout.splitlines()[:2] == ["/net/b/tmp/w2/deep", "text"]
    assert {"w", "w2"} <= set(result.stdout.splitlines()[2:])
    assert lab.exec("b", "cat /tmp/w2/deep/f; ls /tmp/w/deep", plain=True).stdout == "text\n"


def test_estale_of_the_owner_s_file_system_is_an_answer(lab):
    """An overlay says so of a file that was exchanged below it. The directory is not looked for by its former name:
    there is another one by now."""
    lab.exec("b", """
        umount /tmp/o 2>/dev/null; rm -rf /tmp/o; mkdir /tmp/o; mount -t tmpfs none /tmp/o; cd /tmp/o; mkdir l u w m
        mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m; mkdir m/d; touch m/d/f
    """, plain=True, check=True)
    holder = Conversation(lab.start("b", "exec 3</tmp/o/m/d/f; echo held; read", plain=True))
    shell = Conversation(lab.start("a", "cd /net/b/tmp/o/m/d; echo in; read; unlink f; mv f g"))
    try:
        assert (holder.read_line(), shell.read_line()) == ("held\n", "in\n")
        lab.exec("b", "cd /tmp/o; mv m/d m/d2; mkdir m/d; touch m/d/f; rm u/d2/f; touch u/d2/f", plain=True, check=True)
        shell.write_line("go on")
        assert shell.wait().stderr.count("Stale file handle") == 2
        assert lab.exec("b", "ls /tmp/o/m/d", plain=True).stdout == "f\n"
    finally:
        shell.kill()
        holder.kill()
        lab.exec("b", "umount /tmp/o/m; umount -l /tmp/o", plain=True)


def test_its_handle_is_closed_when_the_last_process_has_left_it(lab):
    before = lab.handles("b")
    client = converse(lab, "a", r"""
import os, sys
os.chdir("/net/b/tmp"); print("in", flush=True)
sys.stdin.readline(); child = os.fork()
if child == 0:
    while True: sys.stdin.readline() or os._exit(0)
os.chdir("/"); print("out", flush=True)
os.waitpid(child, 0); print("alone", flush=True)
os.chdir("/net/b/tmp"); os.chdir(".."); os.fchdir(os.open("tmp", os.O_RDONLY | os.O_CLOEXEC)); os.chdir("/net")
print("/net", flush=True)
""")
    assert client.read_line() == "in\n"
    assert lab.handles("b") == before + 1
    client.write_line()
    assert client.read_line() == "out\n"
    assert lab.handles("b") == before + 1, "the child is still there"
    client.running.process.stdin.close()
    assert client.read_line() == "alone\n"
    assert client.read_line() == "/net\n"
    client.running.process.wait(timeout=10)
    lab.wait_handles("b", before)


def test_another_user_in_it_is_himself(lab):
    """The directory is shown by being in it, and the owner asks what the new user may do."""
    lab.exec("b", "rm -rf /tmp/hers; mkdir /tmp/hers; echo all >/tmp/hers/open; echo root >/tmp/hers/closed;"
                  "chmod 600 /tmp/hers/closed", plain=True, check=True)
    result = lab.exec("a", r"""
        cd /net/b/tmp/hers
        setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'cat open closed; ls; touch new; pwd -P; /bin/pwd'
        chmod 700 .
        setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'cat open; ls; cd .'
    """)
    assert result.stdout == "all\nclosed\nopen\n/net/b/tmp/hers\n/net/b/tmp/hers\n"
    said = [line.rsplit(": ", 1)[1] for line in result.stderr.splitlines()]
    assert said == ["Permission denied"] * 4 + ["can't cd to ."]


@pytest.mark.parametrize("victim", ["a", "b"])
def test_after_a_restart_of_an_agent_it_is_found_by_its_name(make_lab, victim):
    lab = make_lab("a", "b")
    lab.exec("b", "mkdir /tmp/w; echo text >/tmp/w/f", plain=True, check=True)
    script = "cd /net/b/tmp/w; echo in; read; cat f; mv f g; /bin/pwd; cd .; ls; cd ..; ls w"
    shell = Conversation(lab.start("a", script))
    assert shell.read_line() == "in\n"
    lab.agent(victim, "restart")
    lab.wait_seen("a", "b")
    result = shell.wait()
    assert (result.stdout, result.stderr) == ("text\n/net/b/tmp/w\ng\ng\n", "")


def test_while_its_owner_is_lost_its_name_is_known_and_nothing_hangs(make_lab):
    lab = make_lab("a", "b")
    shell = Conversation(lab.start("a", "cd /net/b/etc; echo in; read; /bin/pwd; cat hostname; ls; cd /; pwd"))
    assert shell.read_line() == "in\n"
    lab.agent("b", "kill")
    lab.wait_seen("a", "b", "down")
    result = shell.wait(timeout=5)
    assert result.stdout == "/net/b/etc\n/\n"
    assert result.stderr.count("Host is down") == 2
