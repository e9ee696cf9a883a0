# SPDX-License-Identifier: Apache-2.0
"""qnetd starts when it may, says why when it may not, and leaves nothing behind; qnet says in a line what is wrong."""
import json
import os
import time

import pytest

from conversation import Conversation
from harness import wait_until


def run(lab, script, **how):
    how["env"] = {"PATH": f"{os.environ['PATH']}:{lab.build}/bin", "LC_ALL": "C", **how.get("env", {})}
    how.setdefault("timeout", 20)
    return lab.exec("a", script, plain=True, **how)


def start_agent(lab, command, **how):
    """The agent runs as the command itself, so that killing one kills the other."""
    return lab.start("a", f"exec {lab.build}/bin/{command} 2>&1", plain=True, **how)


#: A second agent on node a, out of the way of the first.
AGENT = "qnetd --name z --link en0=udp:127.0.0.1:9204 --socket /tmp/z.sock --state-dir /tmp/z.state --trusted"


def wait_for_answer(lab, socket="/tmp/z.sock"):
    wait_until(lambda: run(lab, "qnet nodes", env={"QNET_SOCKET": socket}).status == 0, 10, "the agent answers")


def refused(lab, command):
    """The one line that a qnetd which does not start says."""
    result = run(lab, f"timeout 10 {command} </dev/null")
    assert result.status not in (0, 124, 137), f"it started: {result.stderr}"
    assert result.stdout == ""
    return result.stderr


def test_it_starts_only_with_trusted_and_says_why(lab):
    said = refused(lab, AGENT.replace(" --trusted", ""))
    assert "--trusted" in said
    assert len(said.splitlines()) <= 3
    assert len(said) > len("--trusted is required"), "a reason, not only an order"


def test_a_second_agent_on_the_same_socket_refuses(lab):
    first = start_agent(lab, AGENT)
    try:
        wait_for_answer(lab)
        said = refused(lab, AGENT.replace(":9204", ":9205"))
        assert "/tmp/z.sock" in said
        assert run(lab, "qnet nodes", env={"QNET_SOCKET": "/tmp/z.sock"}).status == 0, "the first one goes on"
    finally:
        first.kill()


def test_a_second_agent_on_the_same_address_refuses(lab):
    said = refused(lab, AGENT.replace("127.0.0.1:9204", "10.71.0.1").replace("z.sock", "z2.sock"))
    assert "10.71.0.1" in said or "in use" in said
    assert run(lab, "test -e /tmp/z2.sock").status == 1


def test_two_agents_with_sockets_in_one_directory_do_not_disturb_each_other(lab):
    first = start_agent(lab, AGENT)
    wait_for_answer(lab)
    shell = Conversation(lab.start("a", "cd /net/z/etc; pwd; read; cd ../usr; pwd; cat ../etc/hostname",
                                   env={"QNET_SOCKET": "/tmp/z.sock"}))
    try:
        assert shell.read_line() == "/net/z/etc\n"
        second = start_agent(lab, AGENT.replace("z.s", "y.s").replace(":9204", ":9205"))
        wait_for_answer(lab, "/tmp/y.sock")
        second.kill()
        shell.write_line("go on")
        assert shell.wait().stdout == "/net/z/usr\na\n"
    finally:
        first.kill()
        run(lab, "rm -rf /tmp/[zy].sock*")


def test_a_stale_socket_of_a_killed_agent_is_taken_over(lab):
    for _ in range(2):
        agent = start_agent(lab, AGENT)
        wait_for_answer(lab)
        agent.kill()
        assert run(lab, "test -S /tmp/z.sock").status == 0, "SIGKILL leaves it"
    agent = start_agent(lab, AGENT)
    wait_for_answer(lab)
    agent.kill()
    run(lab, "rm -rf /tmp/z.sock*")


def test_a_file_that_is_no_socket_is_not_removed(lab):
    run(lab, "echo precious >/tmp/precious")
    said = refused(lab, AGENT.replace("/tmp/z.sock", "/tmp/precious"))
    assert "/tmp/precious" in said
    assert run(lab, "cat /tmp/precious").stdout == "precious\n"


def test_a_prefix_with_content_or_a_mount_point_is_refused(lab):
    run(lab, "mkdir -p /tmp/full /tmp/mounted /tmp/empty; touch /tmp/full/x; mount -t tmpfs none /tmp/mounted")
    try:
        for prefix in ("/tmp/full", "/tmp/mounted"):
            said = refused(lab, f"{AGENT} --prefix {prefix}")
            assert prefix in said
        assert "empty" in refused(lab, f"{AGENT} --prefix /tmp/full")
        assert "mount" in refused(lab, f"{AGENT} --prefix /tmp/mounted")
    finally:
        run(lab, "umount /tmp/mounted; rm -rf /tmp/full /tmp/mounted")


def test_a_default_prefix_with_content_is_refused(lab):
    """A real directory /net (an automounter's) must not be shadowed."""
    result = run(lab, f"""
        mkdir -p /net; unshare -m sh -c 'mount -t tmpfs none /net && timeout 10 {AGENT}; echo $?'; rmdir /net
    """)
    assert result.stdout.strip() not in ("0", "124")
    assert "/net" in result.stderr


@pytest.mark.parametrize("options, word", [
    ("--name bad/name", "bad/name"),
    ("--name ''", "name"),
    (f"--name {'x' * 32}", "name"),
    ("--link en1=nosuch:1.2.3.4", "nosuch"),
    ("--link en1=udp:not-an-address", "not-an-address"),
    ("--link en1", "en1"),
    ("--link en0=udp:127.0.0.1:9300", "en0"),
    ("--peer q=en7@127.0.0.1", "en7"),
    ("--peer q", "q"),
    ("--nosuch", "--nosuch"),
    ("--prefix relative", "relative"),
])
def test_a_wrong_option_is_told_in_a_line(lab, options, word):
    base = AGENT if not options.startswith("--name") else AGENT.replace("--name z", "")
    said = refused(lab, f"{base} {options}")
    assert word in said
    assert len(said.splitlines()) <= 3, said
    assert "terminate" not in said and "exception" not in said.lower()


def test_another_prefix_is_known_to_the_library(lab):
    agent = start_agent(lab, AGENT + " --prefix /srv/nodes")
    try:
        wait_for_answer(lab)
        result = lab.exec("a", "ls /srv/nodes; cat /srv/nodes/z/etc/hostname; cd /srv/nodes/z/etc; pwd; ls /net",
                          env={"QNET_SOCKET": "/tmp/z.sock"})
        assert result.stdout == "z\na\n/srv/nodes/z/etc\n"
        assert result.stderr == "ls: cannot access '/net': No such file or directory\n"
    finally:
        agent.kill()
        run(lab, "rm -rf /tmp/z.sock*")


def test_sigterm_shuts_down_cleanly(lab):
    for signal in ("TERM", "INT"):
        result = run(lab, f"""
            {AGENT} 2>/tmp/z.log & pid=$!
            for i in $(seq 500); do QNET_SOCKET=/tmp/z.sock qnet nodes >/dev/null 2>&1 && break; sleep 0.02; done
            kill -{signal} $pid; wait $pid; echo "status $?"; ls /tmp/z.sock* 2>/dev/null; cat /tmp/z.log >&2
        """)
        assert result.stdout == "status 0\n", (signal, result.stderr)


def test_a_peer_is_told_when_the_other_shuts_down(lab):
    """An orderly goodbye: the other node knows at once, not after a timeout."""
    lab.exec("b", "kill -TERM $(pidof qnetd)", plain=True, check=True)
    began = time.monotonic()
    try:
        result = lab.exec("a", ["cat", "/net/b/etc/hostname"])
        assert result.stderr == "cat: /net/b/etc/hostname: Host is down\n"
        assert time.monotonic() - began < 1.5
        assert lab.states("a") == {"a": "self", "b": "down"}
    finally:
        lab.agent("b", "restart")
    lab.wait_seen("a", "b")


def test_qnet_run_without_an_agent_says_so_in_one_line(lab):
    result = run(lab, "qnet run -- ls /net", env={"QNET_SOCKET": "/tmp/nobody.sock"})
    assert result.status == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "/tmp/nobody.sock" in result.stderr


def test_qnet_run_runs_the_command_under_the_library(lab):
    result = run(lab, """
        qnet run -- cat /net/b/etc/hostname; qnet run cat /net/b/etc/hostname; qnet run -- sh -c 'exit 7'; echo $?
        echo piped | qnet run -- tee /net/b/tmp/piped; qnet run -- nosuchprogram; echo $?
    """)
    assert result.stdout == "b\nb\n7\npiped\n127\n"
    assert "nosuchprogram" in result.stderr and len(result.stderr.splitlines()) == 1
    assert lab.exec("b", ["cat", "/tmp/piped"], plain=True).stdout == "piped\n"


def test_qnet_lists_nodes_for_people_and_programs(lab):
    text = run(lab, "qnet nodes").stdout
    lines = {line.split()[0]: line for line in text.splitlines() if line.split()}
    assert "self" in lines["a"] and "up" in lines["b"]
    assert lab.states("a") == {"a": "self", "b": "up"}
    assert isinstance(json.loads(run(lab, "qnet stats --json").stdout), dict)
    assert run(lab, "qnet nodes", env={"QNET_SOCKET": "/tmp/nobody.sock"}).status == 1


def test_the_configuration_may_be_a_file(lab):
    settings = ["name=z", "link=en0=udp:127.0.0.1:9204", "socket=/tmp/z.sock", "state-dir=/tmp/z.state", "trusted=true"]
    run(lab, "cat >/tmp/z.conf", input="\n".join(settings) + "\n")
    agent = start_agent(lab, "qnetd --config /tmp/z.conf")
    try:
        wait_for_answer(lab)
    finally:
        agent.kill()
        run(lab, "rm -rf /tmp/z.sock*")


def test_an_agent_that_is_not_root_serves_its_own_user_only(lab):
    agent = start_agent(lab, AGENT.replace("/tmp/z.state", "/tmp/z.user"), user=1000)
    try:
        wait_for_answer(lab)
        environment = {"QNET_SOCKET": "/tmp/z.sock"}
        own = lab.exec("a", ["sh", "-c", "cat /net/z/etc/hostname; id -u"], user=1000, env=environment)
        assert (own.stdout, own.stderr) == ("a\n1000\n", "")
        other = lab.exec("a", ["cat", "/net/z/etc/hostname"], env=environment)
        assert other.stderr == "cat: /net/z/etc/hostname: Permission denied\n"
    finally:
        agent.kill()
        run(lab, "rm -rf /tmp/z.sock*")
