# SPDX-License-Identifier: Apache-2.0
"""Agents that are killed, stopped, full or short of descriptors: a decided errno, in time, and nothing acknowledged
is lost. Labs of the tests' own, because agents with other settings are needed."""
import signal
import time

import pytest

from conversation import Conversation, converse
from harness import wait_until

def cat_hostname(lab, **how):
    return lab.exec("a", ["cat", "/net/b/etc/hostname"], **how)


def test_what_the_kernel_says_when_sending_counts_as_well_as_silence(make_lab):
    """A route that is gone is noticed at once, although this agent would wait 30 s for a silent link."""
    lab = make_lab("a", "b", options=["--link-dead-after", "30s"])
    lab.exec("a", "ip route add unreachable 10.71.0.2/32", plain=True, check=True)
    began = time.monotonic()
    assert "Host is down" in cat_hostname(lab, timeout=20).stderr
    assert time.monotonic() - began < 5
    lab.exec("a", "ip route del unreachable 10.71.0.2/32", plain=True, check=True)
    wait_until(lambda: cat_hostname(lab).stdout == "b\n", 10, "b is back")


def seconds_since(began):
    return time.monotonic() - began


FILES = 3000


@pytest.mark.parametrize("fault", ["kill", "cut"])
def test_a_copy_of_3000_files_ends_when_the_owner_is_lost(make_lab, fault):
    """EHOSTDOWN within a second; then every further call fails at once, so that cp is through within 3 s."""
    lab = make_lab("a", "b")
    lab.exec("a", f"mkdir /tmp/many; cd /tmp/many; for i in $(seq {FILES}); do echo $i >f$i; done", plain=True,
             check=True)
    copy = Conversation(lab.start("a", "echo $$; cp -r /tmp/many /net/b/tmp/; echo cp $?; ls /tmp/many | wc -l; pwd"))
    copy.read_line()
    wait_until(lambda: int(lab.exec("b", "ls /tmp/many 2>/dev/null | wc -l", plain=True).stdout) > 200, 20, "copying")
    lost = lab.signal_agent("b", signal.SIGKILL) if fault == "kill" else lab.cut("a-b:en0")
    result = copy.wait(timeout=20)
    assert seconds_since(lost) < 3
    assert result.stdout == f"cp 1\n{FILES}\n/\n", "the shell goes on"
    errors = result.stderr.splitlines()
    assert errors and all(line.endswith("Host is down") for line in errors)
    assert int(lab.exec("b", "ls /tmp/many | wc -l", plain=True).stdout) < FILES, "it was in the middle"
    left = lab.exec("a", "ps -eo stat=,comm= | grep -E '^[ZD]|cp$' || true", plain=True).stdout
    assert left == "", "no process stuck, no zombie"

    if fault == "kill":
        lab.agent("b", "restart")
    else:
        lab.link("a-b:en0", "heal")
    repaired = time.monotonic()
    wait_until(lambda: cat_hostname(lab).stdout == "b\n", 5, "b is back")
    assert seconds_since(repaired) < 1


#: Opens one file for reading and a log, and tells for each line that it reads what can be done with them.
HOLDER = r"""
import errno, os, sys, time
os.chdir("/net/b/tmp")
held = os.open("/net/b/tmp/held", os.O_CREAT | os.O_RDWR)
def tell(call):
    began = time.monotonic()
    try: call(); word = "ok"
    except OSError as error: word = errno.errorcode[error.errno]
    return word if time.monotonic() - began < float(sys.argv[1]) else word + "-late"
print("holding", flush=True)
for line in sys.stdin:
    print(tell(lambda: os.pread(held, 1, 0)), tell(lambda: os.close(os.open("held", os.O_RDONLY))),
          tell(lambda: os.stat("/net/b/etc/hostname")), flush=True)
"""


def ask(holder):
    holder.write_line("?")
    return holder.read_line(timeout=20).split()


def test_a_local_agent_that_is_killed_and_restarted(make_lab):
    """ENONET, then ESTALE for what was open; a working directory in /net and new opens go on."""
    lab = make_lab("a", "b")
    holder = converse(lab, "a", HOLDER, "1")
    assert holder.read_line() == "holding\n"
    shell = Conversation(lab.start("a", "cd /net/b/etc; exec 3<hostname; echo ready; read; cat <&3; cat hostname; pwd"))
    assert shell.read_line() == "ready\n"
    assert ask(holder) == ["ok", "ok", "ok"]
    lab.agent("a", "kill")
    assert ask(holder) == ["ENONET", "ENONET", "ENONET"]
    lab.agent("a", "restart")
    lab.wait_seen("a", "b")
    assert ask(holder) == ["ESTALE", "ok", "ok"]
    shell.write_line("go on")
    result = shell.wait()
    assert "Stale file handle" in result.stderr
    assert result.stdout == "b\n/net/b/etc\n"
    holder.kill()


def test_a_stopped_local_agent_holds_its_own_programs_up_and_nobody_else(make_lab):
    """SIGSTOP of the own agent is an operator's act, like stopping a disk's driver: /net waits, can be killed, and goes
    on after SIGCONT as if nothing had been; local work does not notice."""
    lab = make_lab("a", "b", options=["--session-hold", "60s"])
    holder = converse(lab, "a", HOLDER, "20")
    assert holder.read_line() == "holding\n"
    lab.agent("a", "stop")
    waiting = lab.start("a", ["cat", "/net/b/etc/hostname"])
    killed = lab.start("a", ["cat", "/net/b/etc/hostname"])
    assert lab.exec("a", "cat /etc/hostname; ls / >/dev/null; echo ok", timeout=5).stdout == "a\nok\n"
    began = time.monotonic()
    assert lab.exec("b", ["cat", "/net/a/etc/hostname"], timeout=5).stderr.endswith("Host is down\n")
    assert seconds_since(began) < 1, "for the others a stopped agent is a lost node"
    killed.kill()
    assert waiting.is_running(), "it waits"
    lab.agent("a", "cont")
    assert waiting.wait(timeout=10).stdout == "b\n"
    lab.wait_seen("a", "b")
    assert ask(holder) == ["ok", "ok", "ok"]
    holder.kill()


#: Writes records until it cannot, syncing each, and tells how many bytes were acknowledged and what ended it.
WRITER = r"""
import errno, os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
count = 0
try:
    while count < 20000 * 4096:
        record = b"%08d" % (count // 4096) * 512
        count += os.write(fd, record[count % 4096:])
        os.fsync(fd)
        if count == 20 * 4096: print("writing", flush=True)
    word = "no error"
except OSError as error: word = errno.errorcode[error.errno]
print(count, word, flush=True)
"""


def records(count_bytes):
    """What WRITER has written."""
    return b"".join(b"%08d" % number * 512 for number in range(-(-count_bytes // 4096)))[:count_bytes]


def contents(lab, node, path):
    result = lab.exec(node, ["cat", path], plain=True, check=True)
    return result.raw(result.stdout)


#: Writes 3 MB in one call, which is more than fits, and tells how many bytes were taken and what the next call says.
BIG_WRITER = r"""
import errno, os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY, 0o644)
count = os.write(fd, b"0123456789" * 300000)
try: word = os.write(fd, b"x")
except OSError as error: word = errno.errorcode[error.errno]
print(count, word)
"""


def test_a_full_disk_is_enospc_and_loses_nothing_that_was_acknowledged(make_lab):
    lab = make_lab("a", "b")
    for node in ("a", "b"):
        lab.exec(node, "mkdir /tmp/small; mount -t tmpfs -o size=1m none /tmp/small; head -c 3M /dev/zero >/tmp/big",
                 plain=True, check=True)
    writer = converse(lab, "a", WRITER, "/net/b/tmp/small/log")
    assert writer.read_line() == "writing\n"
    count, error = writer.read_line().split()
    assert error == "ENOSPC"
    assert 800_000 <= int(count) <= 1 << 20
    assert contents(lab, "b", "/tmp/small/log") == records(int(count))

    lab.exec("a", "rm /net/b/tmp/small/*", check=True)
    big = lab.exec("a", ["/usr/bin/python3", "-c", BIG_WRITER, "/net/b/tmp/small/once"])
    count, error = big.stdout.split()
    assert error == "ENOSPC"
    assert 800_000 <= int(count) <= 1 << 20, "as much as fits, as a local write tells it"
    assert contents(lab, "b", "/tmp/small/once") == (b"0123456789" * 300000)[:int(count)]

    lab.exec("a", "rm /net/b/tmp/small/*", check=True)
    for copy in ("cp /tmp/big /net/b/tmp/small/", "cp /net/b/tmp/big /tmp/small/"):
        result = lab.exec("a", copy)
        assert result.status == 1
        assert "No space left on device" in result.stderr
    again = lab.exec("a", "rm /net/b/tmp/small/*; echo again >/net/b/tmp/small/x; cat /net/b/tmp/small/x")
    assert again.stdout == "again\n"


#: Logs into an open file, syncing each record, before, while and after new files cannot be opened any more; tells how
#: many it opened and wrote, and what was said to further ones, one of them with O_TRUNC for the log.
LOGGER = r"""
import errno, os, resource, sys
if sys.argv[1] == "program": resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))
new, fds, count = os.O_CREAT | os.O_EXCL | os.O_WRONLY, [], 0
log = os.open("/net/b/tmp/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
def go_on():
    global count
    for _ in range(20):
        assert os.write(log, b"%08d" % count * 512) == 4096
        os.fsync(log)
        count += 1
def opens(path, flags):
    try: fds.append(os.open(path, flags))
    except OSError as error: return errno.errorcode[error.errno]
    assert os.write(fds[-1], path.encode()) == len(path)
    return ""
go_on()
while len(fds) < 400 and not (word := opens(f"/net/b/tmp/many/{len(fds)}", new)): pass
go_on()
words = [word, opens("/net/b/tmp/log", os.O_WRONLY | os.O_TRUNC), opens("/net/b/tmp/many/refused", new)]
go_on()
for fd in fds: os.close(fd)
opened = len(fds)
print("closed", flush=True)
sys.stdin.readline()  # The owner closes a moment later.
words.append(opens("/net/b/tmp/many/afterwards", new))
go_on()
print(count, opened, *words, flush=True)
"""


@pytest.mark.parametrize("short, error", [("program", "EMFILE"), ("a", "ENFILE"), ("b", "ENFILE")])
def test_without_descriptors_nothing_that_was_acknowledged_is_lost(make_lab, short, error):
    """In the program itself, in its agent, in the owner's: a refused open has changed nothing, as with a local disk."""
    lab = make_lab("a", "b")
    lab.exec("b", ["mkdir", "/tmp/many"], plain=True, check=True)
    if short != "program":
        lab.exec(short, "prlimit --pid $(pgrep -ox qnetd) --nofile=200:200", plain=True, check=True)
    logger = converse(lab, "a", LOGGER, short)
    assert logger.read_line() == "closed\n"
    lab.wait_handles("b", 1)
    logger.write_line("go on")
    count, opened, *words = logger.read_line().split()
    assert words == [error] * 3
    assert int(count) == 80 and 30 < int(opened) < 200
    assert contents(lab, "b", "/tmp/log") == records(80 * 4096)
    listed = lab.exec("b", "cd /tmp/many; grep -H . *", plain=True, check=True).stdout.splitlines()
    names = [*map(str, range(int(opened))), "afterwards"]
    assert sorted(listed) == sorted(f"{name}:/net/b/tmp/many/{name}" for name in names)


def test_what_was_acknowledged_before_an_agent_was_killed_is_there(make_lab):
    lab = make_lab("a", "b")
    for victim, errors in (("b", {"EHOSTDOWN"}), ("a", {"ENONET"})):
        writer = converse(lab, "a", WRITER, f"/net/b/tmp/log-{victim}")
        assert writer.read_line() == "writing\n"
        lab.agent(victim, "kill")
        count, error = writer.read_line().split()
        assert error in errors
        assert int(count) >= 20 * 4096
        there = contents(lab, "b", f"/tmp/log-{victim}")
        assert there[:int(count)] == records(int(count))
        lab.agent(victim, "restart")
        lab.wait_seen("a", "b")
