# SPDX-License-Identifier: Apache-2.0
"""A lost node is an error within a second, a lost client leaves nothing open, and everything works again afterwards."""
import signal
import time

import pytest

from conversation import Conversation, converse
from harness import wait_until

#: The contract: a lost peer is an error by then, counted from the signal or from the cut.
ERROR_WITHIN_S = 1.0


@pytest.fixture(autouse=True)
def working_pair_afterwards(lab):
    """These tests break agents and links; the next test finds both in order."""
    yield
    lab.link("a-b:en0", "clear")
    for node in ("b", "a"):
        if lab.states(node).get(node) != "self":
            lab.agent(node, "restart")
    wait_until(lab.is_whole, 15, "both nodes see each other")


def says(lab, command):
    result = lab.exec("a", command, timeout=10)
    return result.stdout + result.stderr


#: Copies without end, tells the first failure and when it came.
COPIER = r"""
import errno, os, sys, time
source = os.open("/net/b/tmp/big", os.O_RDONLY)
target = os.open("/net/b/tmp/copied", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
at, told = 0, False
try:
    while True:
        data = os.pread(source, 1 << 18, at % (64 << 20)); os.pwrite(target, data, at % (64 << 20)); at += len(data)
        if at > (4 << 20) and not told: print("copying", flush=True); told = True
except OSError as error:
    print(errno.errorcode[error.errno], time.clock_gettime(time.CLOCK_MONOTONIC), flush=True)
sys.stdin.readline()
for call in (lambda: os.read(source, 1), lambda: os.write(target, b"x"), lambda: os.open("/net/b/tmp/big", os.O_RDONLY),
             lambda: os.fstat(source), lambda: os.listdir("/net/b/tmp"), lambda: os.close(source)):
    before = time.monotonic()
    try: result = "ok" if call() is not None else "closed"
    except OSError as error: result = errno.errorcode[error.errno]
    print(result, "at once" if time.monotonic() - before < 0.5 else "late", flush=True)
"""


def start_copier(lab):
    lab.exec("b", ["sh", "-c", "head -c 64M /dev/urandom >/tmp/big"], plain=True)
    copier = converse(lab, "a", COPIER)
    assert copier.read_line(timeout=20) == "copying\n"
    return copier


def assert_fails_from(copier, moment):
    """The copier is told EHOSTDOWN in time."""
    error, when = copier.read_line(timeout=10).split()
    assert error == "EHOSTDOWN"
    assert float(when) - moment < ERROR_WITHIN_S


def go_on_without_the_node(copier):
    """Every further call of the copier fails at once, on what is open and by name."""
    copier.write_line("go on")
    answers = [copier.read_line(timeout=10).strip() for _ in range(6)]
    assert answers == ["EHOSTDOWN at once"] * 5 + ["closed at once"]


def test_kill_of_the_owner_s_agent_in_the_middle_of_a_copy_is_ehostdown_within_a_second(lab):
    copier = start_copier(lab)
    assert_fails_from(copier, lab.signal_agent("b", signal.SIGKILL))
    go_on_without_the_node(copier)
    assert copier.wait(timeout=10).status == 0


def test_cp_says_host_is_down_and_the_next_command_too(lab):
    lab.exec("b", ["sh", "-c", "head -c 300M /dev/zero >/tmp/big"], plain=True)
    copy = Conversation(lab.start("a", "echo begun; cp /net/b/tmp/big /net/b/tmp/copied; echo $?"))
    assert copy.read_line() == "begun\n"
    wait_until(lambda: lab.exec("b", ["sh", "-c", "test -s /tmp/copied"], plain=True).status == 0, 10, "copying")
    killed = lab.signal_agent("b", signal.SIGKILL)
    result = copy.wait(timeout=10)
    assert time.monotonic() - killed < ERROR_WITHIN_S
    assert result.stdout == "1\n"
    assert "Host is down" in result.stderr

    began = time.monotonic()
    result = lab.exec("a", ["ls", "/net/b/tmp"], timeout=10)
    assert result.stderr == "ls: cannot access '/net/b/tmp': Host is down\n"
    assert result.status == 2
    assert time.monotonic() - began < ERROR_WITHIN_S
    assert lab.exec("a", ["ls", "/net"]).stdout == "a\nb\n", "a node that is down is known all the same"
    assert lab.exec("a", ["cat", "/net/a/etc/hostname"]).stdout == "a\n"


def test_a_stopped_owner_is_ehostdown_and_nothing_hangs(lab):
    """No ICMP helps here: only silence tells."""
    copier = start_copier(lab)
    assert_fails_from(copier, lab.signal_agent("b", signal.SIGSTOP))
    go_on_without_the_node(copier)
    lab.agent("b", "cont")
    wait_until(lambda: lab.exec("a", ["cat", "/net/b/etc/hostname"]).stdout == "b\n", 10, "back after SIGCONT")
    assert copier.wait(timeout=10).status == 0


def test_a_cut_cable_is_ehostdown_and_handles_work_again_when_it_heals(lab):
    copier = start_copier(lab)
    assert_fails_from(copier, lab.cut("a-b:en0"))
    assert says(lab, "cat /net/b/etc/hostname") == "cat: /net/b/etc/hostname: Host is down\n"
    lab.link("a-b:en0", "heal")
    wait_until(lambda: lab.exec("a", ["cat", "/net/b/etc/hostname"]).stdout == "b\n", 10, "the link heals")
    copier.write_line("go on")
    answers = [copier.read_line(timeout=10).split()[0] for _ in range(6)]
    assert answers[:5] == ["ok"] * 5, "the same life of b: what was open is open"
    assert copier.wait(timeout=10).status == 0


def test_once_a_cut_is_known_every_further_call_fails_at_once(lab):
    copier = start_copier(lab)
    assert_fails_from(copier, lab.cut("a-b:en0"))
    go_on_without_the_node(copier)
    assert copier.wait(timeout=10).status == 0


def test_after_a_restart_old_handles_are_stale_and_new_ones_work(lab):
    copier = start_copier(lab)
    lab.agent("b", "restart")
    assert copier.read_line(timeout=10).split()[0] in ("EHOSTDOWN", "ESTALE")
    wait_until(lambda: lab.exec("a", ["cat", "/net/b/etc/hostname"]).stdout == "b\n", 10, "b is back")
    copier.write_line("go on")
    answers = [copier.read_line(timeout=10).split()[0] for _ in range(6)]
    assert answers == ["ESTALE", "ESTALE", "ok", "ESTALE", "ok", "closed"]
    assert copier.wait(timeout=10).status == 0


def test_without_a_local_agent_it_is_enonet_and_local_work_goes_on(lab):
    copier = start_copier(lab)
    lab.agent("a", "kill")
    assert copier.read_line(timeout=10).split()[0] == "ENONET"
    result = lab.exec("a", ["sh", "-c", "cat /net/b/etc/hostname; cat /etc/hostname; ls /net"], timeout=10)
    assert result.stdout == "a\n"
    assert result.stderr == ("cat: /net/b/etc/hostname: Machine is not on the network\n"
                             "ls: cannot access '/net': Machine is not on the network\n")
    lab.agent("a", "restart")
    copier.write_line("go on")
    answers = [copier.read_line(timeout=10).split()[0] for _ in range(6)]
    assert answers == ["ESTALE", "ESTALE", "ok", "ESTALE", "ok", "closed"]
    assert copier.wait(timeout=10).status == 0


def test_when_the_last_process_that_shares_a_descriptor_is_gone_the_owner_closes_it(lab):
    """kill -9 of the opener changes nothing while a child still holds the file; it ends, and b closes within 1 s."""
    before = lab.handles("b")
    client = converse(lab, "a", r"""
import os, sys, time
fd = os.open("/net/b/tmp/held", os.O_CREAT | os.O_RDWR)
d = os.open("/net/b/tmp", os.O_RDONLY)
child = os.fork()
if child == 0:
    while True: time.sleep(60)
print(os.getpid(), child, flush=True)
while True: time.sleep(60)
""")
    parent, child = client.read_line().split()
    assert lab.handles("b") == before + 2
    lab.exec("a", ["kill", "-9", parent], plain=True)
    wait_until(lambda: lab.exec("a", ["kill", "-0", parent], plain=True).status != 0, 5, "the parent is gone")
    time.sleep(0.3)  # Something that must not happen.
    assert lab.handles("b") == before + 2
    lab.exec("a", ["kill", "-9", child], plain=True)
    wait_until(lambda: lab.handles("b") == before, 1.0, "b closed what the dead client had open")
    assert "/tmp/held" not in lab.exec("b", ["sh", "-c", "ls -l /proc/[0-9]*/fd 2>/dev/null"], plain=True).stdout


def test_when_a_client_node_dies_the_owner_closes_what_it_had_open(lab):
    before = lab.handles("b")
    client = converse(lab, "a", r"""
import fcntl, os, sys
fds = [os.open("/net/b/tmp/of-a", os.O_CREAT | os.O_RDWR) for _ in range(20)]
fcntl.flock(fds[0], fcntl.LOCK_EX); print("held", flush=True); sys.stdin.read()
""")
    assert client.read_line() == "held\n"
    assert lab.handles("b") == before + 20
    lab.agent("a", "kill")
    lab.agent("a", "restart")
    wait_until(lambda: lab.handles("b") == before, 15, "b dropped the old life of a")
    assert lab.exec("b", ["flock", "-n", "/tmp/of-a", "echo", "free"], plain=True).stdout == "free\n"
    client.kill()


def test_a_signal_interrupts_a_call_that_waits(lab):
    """A FIFO without a writer: the open waits at the owner; SIGINT gives the program back, and the owner too."""
    lab.exec("b", ["sh", "-c", "rm -f /tmp/quiet; mkfifo /tmp/quiet"], plain=True)
    waiting = converse(lab, "a", r"""
import errno, os, signal
def handler(*_): raise InterruptedError(errno.EINTR, "handler")
signal.signal(signal.SIGUSR1, handler); signal.siginterrupt(signal.SIGUSR1, True)
print(os.getpid(), flush=True)
try: os.open("/net/b/tmp/quiet", os.O_RDONLY)
except InterruptedError: print("interrupted", flush=True)
print(open("/net/b/etc/hostname").read(), end="", flush=True)
""")
    pid = waiting.read_line().strip()
    wait_until(lambda: lab.stats("b")["executor"]["workers"] >= 1, 5, "the owner works on it")
    time.sleep(0.2)
    lab.exec("a", ["kill", "-USR1", pid], plain=True)
    assert waiting.read_line(timeout=5) == "interrupted\n"
    assert waiting.read_line(timeout=5) == "b\n"
    killed = lab.start("a", ["cat", "/net/b/tmp/quiet"])
    time.sleep(0.2)
    began = time.monotonic()
    killed.kill()
    assert time.monotonic() - began < 2
    writer = lab.start("b", ["sh", "-c", "echo x >/tmp/quiet; echo done"], plain=True)
    assert lab.exec("a", ["cat", "/net/b/tmp/quiet"], timeout=10).stdout == "x\n", "no ghost reader took it"
    assert writer.wait(timeout=5).stdout == "done\n"


def test_loss_on_the_wire_costs_time_but_no_byte(lab):
    lab.exec("b", ["sh", "-c", "head -c 8M /dev/urandom >/tmp/lossy"], plain=True)
    lab.link("a-b:en0", "loss", "2%")
    try:
        result = lab.exec("a", ["sh", "-c", "sha256sum </net/b/tmp/lossy; cp /net/b/tmp/lossy /net/b/tmp/lossy2"],
                          timeout=60)
    finally:
        lab.link("a-b:en0", "clear")
    wanted = lab.exec("b", ["sh", "-c", "sha256sum </tmp/lossy; sha256sum </tmp/lossy2"], plain=True).stdout.split("\n")
    assert result.stderr == ""
    assert result.stdout == wanted[0] + "\n"
    assert wanted[0] == wanted[1]


def test_a_thousand_open_files_and_no_handle_left_afterwards(lab):
    before = lab.handles("b")
    result = lab.exec("a", ["/usr/bin/python3", "-c", r"""
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (1200, 1200))
fds = [os.open("/net/b/etc/hostname", os.O_RDONLY) for _ in range(1000)]
assert all(os.read(fd, 9) == b"b\n" for fd in fds)
try:
    while True: fds.append(os.open("/net/b/etc/hostname", os.O_RDONLY))
except OSError as error: print(error.strerror)
for fd in fds: os.close(fd)
print(open("/net/b/etc/hostname").read())
"""], timeout=60)
    assert result.stdout == "Too many open files\nb\n\n", result.stderr
    wait_until(lambda: lab.handles("b") == before, 2.0, "all handles closed")
