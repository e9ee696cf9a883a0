# SPDX-License-Identifier: Apache-2.0
"""The agent as a service: its log, its configuration file, its limits, and what `qnet` tells an operator."""
import json
import re
import time

import pytest

from conversation import Conversation, converse
from harness import wait_until


def requests_in(log, word):
    """{request id: operation} of the lines that begin a request."""
    return dict(re.findall(rf"debug {word}=(\S+) op=(\w+) ", log))


def test_one_id_follows_a_call_through_the_logs_of_both_nodes(make_lab):
    lab = make_lab("a", "b", options=["--log-level", "debug"])
    assert lab.exec("a", ["cat", "/net/b/etc/hostname"]).stdout == "b\n"
    asked, served = (requests_in(lab.log(node), word) for node, word in (("a", "request"), ("b", "serve request")))
    assert "Open" in asked.values()
    assert served == asked
    for request in asked:
        assert f"reply request={request} error=0" in lab.log("a")
        assert f"served request={request} errno=0" in lab.log("b")
    assert lab.exec("b", ["cat", "/net/a/etc/hostname"]).stdout == "a\n"
    assert not set(requests_in(lab.log("b"), "request")) & set(asked), "the other node's ids are others"


def test_what_the_agent_does_of_itself_has_an_id_and_a_reason(make_lab):
    """The write of a program that the library does not see, the close after the last process, its locks."""
    lab = make_lab("a", "b", options=["--log-level", "debug", "--fuse", "off"])
    lab.exec("a", "busybox echo stray >/net/b/tmp/stray", check=True)
    lab.exec("a", ["/usr/bin/python3", "-c", "import fcntl, os; file = open('/net/b/tmp/locked', 'w'); "
                   "fcntl.lockf(file, fcntl.LOCK_EX); os._exit(0)"], check=True)
    lab.wait_handles("b", 0)
    wait_until(lambda: "reason=process-ended" in lab.log("a"), 5, "the locks of the process that ended are let go")
    made = re.findall(r"debug request=(\S+) op=(\w+) node=b .* reason=(\S+)", lab.log("a"))
    assert {(operation, reason) for _, operation, reason in made} == {
        ("Write", "stray-write"), ("Close", "last-close"), ("ReleaseLocks", "process-ended")}
    served = requests_in(lab.log("b"), "serve request")
    assert all(served[request] == operation for request, operation, _ in made)
    for node in ("a", "b"):
        lines = [line for line in lab.log(node).splitlines() if " debug " in line]
        assert lines and not [line for line in lines if "request=" not in line]


class ExtraAgent:
    """An agent besides the lab's, with a configuration file that a test changes."""
    ENV = {"QNET_SOCKET": "/tmp/x.sock"}

    def __init__(self, lab, node, name, port, peers=()):
        self.lab, self.node = lab, node
        self.base = [f"name = {name}", f"link = en0=udp:0.0.0.0:{port}", "socket = /tmp/x.sock",
                     "state-dir = /tmp/x.state", "trusted"]
        self.write(peers)
        command = f"echo $$; exec {lab.build}/bin/qnetd --config /tmp/x.conf 2>/tmp/x.log"
        self.shell = Conversation(lab.start(node, command, plain=True))
        self.pid = self.shell.read_line().strip()
        wait_until(self.states, 10, "the extra agent answers")

    def write(self, peers, *more):
        lines = self.base + [f"peer = {peer}" for peer in peers] + list(more)
        self.lab.exec(self.node, "cat >/tmp/x.conf", plain=True, input="\n".join(lines) + "\n", check=True)

    def log(self):
        return self.lab.exec(self.node, ["cat", "/tmp/x.log"], plain=True).stdout

    def reload(self, says="reloaded"):
        """Lets it read its file again; returns what it said about that."""
        before = self.log()
        self.lab.exec(self.node, ["kill", "-HUP", self.pid], plain=True, check=True)
        return wait_until(lambda: re.findall(f".*{says}.*", self.log()[len(before):]), 5, "it has read its file")

    def states(self):
        listed = self.lab.exec(self.node, ["qnet", "nodes", "--json"], plain=True, env=self.ENV)
        return {one["name"]: one["state"] for one in json.loads(listed.stdout)} if listed.status == 0 else {}

    def run(self, command):
        return self.lab.exec(self.node, command, env=self.ENV)

    def end(self):
        self.shell.kill()
        self.lab.exec(self.node, "rm -rf /tmp/x.*", plain=True)


@pytest.fixture
def extra(lab):
    """Starts extra agents, which are gone at the end of the test."""
    agents = []

    def start(*words, **how):
        agents.append(ExtraAgent(lab, *words, **how))
        return agents[-1]

    yield start
    for agent in agents:
        agent.end()


def test_sighup_takes_in_added_peers_and_says_goodbye_to_removed_ones(extra):
    there = extra("b", "y", 9300, ["x=en0@10.71.0.1:9300"])
    here = extra("a", "x", 9300)
    assert here.run(["cat", "/net/y/etc/hostname"]).stderr == "cat: /net/y/etc/hostname: No such file or directory\n"

    here.write(["y=en0@10.71.0.2:9300", "w=en0@10.71.0.2:9999"])
    assert "came=2" in here.reload()[0]
    wait_until(lambda: here.states() == {"w": "down", "x": "self", "y": "up"}, 5, "y is there")
    assert here.run(["cat", "/net/y/etc/hostname"]).stdout == "b\n"
    assert here.run(["ls", "/net"]).stdout == "w\nx\ny\n"

    reader = Conversation(here.lab.start("a", "exec 3</net/y/etc/hostname; echo open; read; head -c1 <&3",
                                         env=ExtraAgent.ENV))
    assert reader.read_line() == "open\n"
    here.write([])
    assert "left=2" in here.reload()[0]
    began = time.monotonic()
    wait_until(lambda: there.states() == {"x": "down", "y": "self"}, 5, "y was told")
    assert time.monotonic() - began < 1, "told, not found out"
    assert here.states() == {"x": "self"}
    assert here.run(["cat", "/net/y/etc/hostname"]).stderr == "cat: /net/y/etc/hostname: No such file or directory\n"
    reader.write_line("go on")
    assert "Stale file handle" in reader.wait().stderr

    here.write(["y=en0@10.71.0.2:9300"])
    here.reload()
    wait_until(lambda: here.states() == {"x": "self", "y": "up"}, 2, "back again, and believed at once")
    assert here.run(["cat", "/net/y/etc/hostname"]).stdout == "b\n"


def test_sighup_uses_a_changed_address(extra):
    extra("b", "y", 9301, ["x=en0@10.71.0.9:9300"])  # It learns x's address when x says hello.
    here = extra("a", "x", 9300, ["y=en0@10.71.0.9:9301"])
    assert here.states()["y"] == "down"
    here.write(["y=en0@10.71.0.2:9301"])
    here.reload()
    wait_until(lambda: here.states()["y"] == "up", 5, "y at its new address")


@pytest.mark.parametrize("peers, more, complaint", [
    (["y=en0@10.71.0.2:9300"], "colour = blue", 'line 7: there is no setting "colour"'),
    (["y=en9@10.71.0.2:9300"], "", "en9"),
    (["y=en0@nonsense"], "", "nonsense"),
    (["y=en0@10.71.0.2:9300", "y=en0@10.71.0.2:9301"], "", "y is given twice"),
])
def test_a_bad_file_at_sighup_is_a_line_in_the_log_and_all_goes_on(extra, peers, more, complaint):
    extra("b", "y", 9300, ["x=en0@10.71.0.1:9300"])
    here = extra("a", "x", 9300, ["y=en0@10.71.0.2:9300"])
    wait_until(lambda: here.states()["y"] == "up", 5, "y is there")
    here.write(peers, more)
    said = here.reload("not reloaded")
    assert len(said) == 1 and complaint in said[0]
    assert here.run(["cat", "/net/y/etc/hostname"]).stdout == "b\n"


def test_a_bad_configuration_file_is_refused_with_its_line(lab):
    lab.exec("a", "printf 'trusted\\nname=q\\ncolour=blue\\n' >/tmp/bad.conf", plain=True, check=True)
    result = lab.exec("a", f"timeout 10 {lab.build}/bin/qnetd --config /tmp/bad.conf", plain=True)
    assert result.status == 2
    assert result.stderr == 'qnetd: /tmp/bad.conf: line 3: there is no setting "colour"\n'


#: Opens as many files on b as it is told, tells what came of it, and holds them until it is told to let go.
OPENER = r"""
import errno, os, sys
def open_one():
    try: return os.open("/net/b/etc/hostname", os.O_RDONLY)
    except OSError as error: return errno.errorcode[error.errno]
got = [open_one() for _ in range(int(sys.argv[1]))]
fds = [one for one in got if type(one) is int]
print(len(fds), *sorted({one for one in got if type(one) is str}), flush=True)
sys.stdin.readline()
for fd in fds: os.close(fd)
print("closed", flush=True)
sys.stdin.readline()  # The owner closes a moment later.
fd = open_one()
print(os.pread(fd, 9, 0).decode() if type(fd) is int else fd, end="", flush=True)
"""


def works_again(lab, hog):
    hog.write_line("let go")
    assert hog.read_line() == "closed\n"
    wait_until(lambda: lab.handles("b") == 0, 5, "the owner has closed them")
    hog.write_line("go on")
    assert hog.read_line() == "b\n"
    assert hog.wait().status == 0


@pytest.mark.parametrize("settings", [["--caller-handles-max", "20"], ["--handles-max", "20"],
                                      ["--local-handles-max", "20"]])
def test_a_user_at_the_limit_of_handles_gets_emfile_and_the_others_go_on(make_lab, settings):
    lab = make_lab("a", "b", options=settings)
    hog = converse(lab, "a", OPENER, "30", user=1000)
    is_per_caller = settings[0] == "--caller-handles-max"
    assert hog.read_line() == ("20 EMFILE\n" if is_per_caller else "20 ENFILE\n")
    root = lab.exec("a", ["cat", "/net/b/etc/hostname"])
    if is_per_caller:
        assert root.stdout == "b\n"
        assert lab.exec("a", ["cat", "/net/b/etc/hostname"], user=1001).stdout == "b\n"
    else:
        assert root.stderr == "cat: /net/b/etc/hostname: Too many open files in system\n", "root counts in the total"
    works_again(lab, hog)


#: Waits in threads for bytes of a FIFO on b that never come, and tells how many were refused.
WAITER = r"""
import errno, os, sys, threading
fd = os.open("/net/b/tmp/silent", os.O_RDWR)
def wait():
    try: os.read(fd, int(sys.argv[2]))
    except OSError as error: os.write(1, errno.errorcode[error.errno].encode() + b"\n")
for _ in range(int(sys.argv[1])): threading.Thread(target=wait, daemon=True).start()
sys.stdin.readline()
os._exit(0)
"""


@pytest.mark.parametrize("settings, read_bytes", [(["--caller-requests-max", "5"], 1),
                                                  (["--caller-memory-max", "600000"], 100000)])
def test_a_user_with_too_much_under_way_gets_eagain_and_the_others_go_on(make_lab, settings, read_bytes):
    lab = make_lab("a", "b", options=settings)
    lab.exec("b", "mkfifo -m 666 /tmp/silent", plain=True, check=True)
    hog = converse(lab, "a", WAITER, "12", str(read_bytes), user=1000)
    for _ in range(7):
        assert hog.read_line() == "EAGAIN\n"
    assert lab.stats("a")["local_limits"]["requests_refused" if read_bytes == 1 else "bytes_refused"] >= 7
    for user in (0, 1001):
        assert lab.exec("a", ["cat", "/net/b/etc/hostname"], user=user).stdout == "b\n"
    hog.write_line("end")
    hog.wait()
    wait_until(lambda: lab.stats("a")["local_limits"]["bytes_held"] < 10000, 5, "nothing is held any more")
    wait_until(lambda: lab.stats("b")["served_limits"]["bytes_held"] < 10000, 5, "nothing is held any more")
    assert lab.exec("a", ["cat", "/net/b/etc/hostname"], user=1000).stdout == "b\n"


@pytest.mark.parametrize("short", ["a", "b"])
def test_an_agent_short_of_descriptors_says_so_and_recovers(make_lab, short):
    lab = make_lab("a", "b")
    lab.exec(short, "prlimit --pid $(pgrep -ox qnetd) --nofile=200:200", plain=True, check=True)
    hog = converse(lab, "a", OPENER, "300")
    count, *errors = hog.read_line().split()
    assert errors == ["ENFILE"]
    assert 30 < int(count) < 200
    assert lab.states("a") == {"a": "self", "b": "up"}, "the agent goes on with what it has kept back"
    refused = lab.exec("a", ["cat", "/net/b/etc/hostname"])
    assert refused.stderr == "cat: /net/b/etc/hostname: Too many open files in system\n"
    works_again(lab, hog)
