# SPDX-License-Identifier: Apache-2.0
"""Agents that are killed, stopped, full or short of descriptors: a decided errno, in time, and nothing acknowledged
is lost. Labs of the tests' own, because agents with other settings are needed."""
import time

from conversation import Conversation, converse
from harness import wait_until

#: What measuring itself may cost on a busy machine.
SLACK_S = 0.5


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


def test_a_copy_of_3000_files_ends_when_the_owner_s_agent_is_killed(make_lab):
    """EHOSTDOWN within a second; then every further call fails at once, so that cp is through within 3 s."""
    lab = make_lab("a", "b")
    lab.exec("a", f"mkdir /tmp/many; cd /tmp/many; for i in $(seq {FILES}); do echo $i >f$i; done", plain=True,
             check=True)
    copy = Conversation(lab.start("a", "echo $$; cp -r /tmp/many /net/b/tmp/; echo cp $?; ls /tmp/many | wc -l; pwd"))
    copy.read_line()
    wait_until(lambda: int(lab.exec("b", "ls /tmp/many 2>/dev/null | wc -l", plain=True).stdout) > 200, 20, "copying")
    lab.agent("b", "kill")
    began = time.monotonic()
    result = copy.wait(timeout=20)
    assert seconds_since(began) < 3
    assert result.stdout == f"cp 1\n{FILES}\n/\n", "the shell goes on"
    errors = result.stderr.splitlines()
    assert errors and all(line.endswith("Host is down") for line in errors)
    assert int(lab.exec("b", "ls /tmp/many | wc -l", plain=True).stdout) < FILES, "it was in the middle"
    left = lab.exec("a", "ps -eo stat=,comm= | grep -E '^[ZD]|cp$' || true", plain=True).stdout
    assert left == "", "no process stuck, no zombie"

    lab.agent("b", "restart")
    began = time.monotonic()
    wait_until(lambda: cat_hostname(lab).stdout == "b\n", 5, "b is back")
    assert seconds_since(began) < 1 + SLACK_S


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
    assert seconds_since(began) < 1 + SLACK_S, "for the others a stopped agent is a lost node"
    killed.kill()
    assert waiting.is_running(), "it waits"
    lab.agent("a", "cont")
    assert waiting.wait(timeout=10).stdout == "b\n"
    lab.wait_seen("a", "b")
    assert ask(holder) == ["ok", "ok", "ok"]
    holder.kill()


#: Writes records until it cannot, syncing each, and tells how many were acknowledged and what ended it.
WRITER = r"""
import errno, os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
count = 0
try:
    while count < 20000:
        record = b"%08d" % count * 512
        written = os.write(fd, record)
        os.fsync(fd)
        if written < len(record): break
        count += 1
        if count == 20: print("writing", flush=True)
    os.write(fd, b"x")
    word = "no error"
except OSError as error: word = errno.errorcode[error.errno]
print(count, word, flush=True)
"""


def acknowledged_is_there(lab, path, count):
    script = f"""
data = open({path!r}, "rb").read()
print(all(data[n * 4096:(n + 1) * 4096] == b"%08d" % n * 512 for n in range({count})))
"""
    return lab.exec("b", ["/usr/bin/python3", "-c", script], plain=True).stdout == "True\n"


def test_a_full_disk_is_enospc_and_loses_nothing_that_was_acknowledged(make_lab):
    lab = make_lab("a", "b")
    lab.exec("b", "mkdir /tmp/small; mount -t tmpfs -o size=1m none /tmp/small", plain=True, check=True)
    writer = converse(lab, "a", WRITER, "/net/b/tmp/small/log")
    assert writer.read_line() == "writing\n"
    count, error = writer.read_line().split()
    assert error == "ENOSPC"
    assert 200 <= int(count) <= 256
    assert acknowledged_is_there(lab, "/tmp/small/log", int(count))
    lab.exec("a", "rm /net/b/tmp/small/*; head -c 3M /dev/zero >/tmp/big", check=True)
    result = lab.exec("a", "cp /tmp/big /net/b/tmp/small/; echo $?")
    assert result.stdout == "1\n"
    assert "No space left on device" in result.stderr
    again = lab.exec("a", "rm /net/b/tmp/small/*; echo again >/net/b/tmp/small/x; cat /net/b/tmp/small/x")
    assert again.stdout == "again\n"


def test_what_was_acknowledged_before_an_agent_was_killed_is_there(make_lab):
    lab = make_lab("a", "b")
    for victim, errors in (("b", {"EHOSTDOWN"}), ("a", {"ENONET"})):
        writer = converse(lab, "a", WRITER, f"/net/b/tmp/log-{victim}")
        assert writer.read_line() == "writing\n"
        lab.agent(victim, "kill")
        count, error = writer.read_line().split()
        assert error in errors
        assert int(count) >= 20
        assert acknowledged_is_there(lab, f"/tmp/log-{victim}", int(count))
        lab.agent(victim, "restart")
        lab.wait_seen("a", "b")
