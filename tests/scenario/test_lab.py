# SPDX-License-Identifier: Apache-2.0
"""Is a lab what tests/lab --help says? With agents that only pretend, so that nothing else can fail."""
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fake_lab import can_reach, duo, fake_build, helpers_of, init_pids, make_fake_lab, plain  # noqa: F401 (fixtures)
from harness import Lab, LabFailed, wait_until
from harness.lab import ROOT, TOOL


# ---- what a node is ----

def test_a_node_has_its_own_name_processes_files_and_devices(duo):
    said = plain(duo, "a", "hostname; cat /etc/hostname; stat -c %a /tmp /dev/shm; echo $(ls /dev); "
                           "ls -d /proc/[0-9]* | wc -l", check=True).stdout.splitlines()
    assert said[:4] == ["a", "a", "1777", "1777"]
    assert said[4] == "fd full fuse mqueue net null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert int(said[5]) < 10
    assert plain(duo, "a", "test -c /dev/net/tun -a -d /sys/class/net/en1 -a -d /dev/pts").status == 0


def test_files_are_private_and_the_machine_keeps_its_own(duo):
    plain(duo, "a", "cd /usr/share/doc && echo mine >here && rm bash/copyright && mv dash sashes", check=True)
    assert plain(duo, "b", "cd /usr/share/doc && test ! -e here && ls bash/copyright dash/copyright").status == 0
    assert not os.path.exists("/usr/share/doc/here") and os.path.exists("/usr/share/doc/dash")


def test_tmp_can_do_what_file_tests_need(duo):
    assert plain(duo, "a", r"""
        cd /tmp && truncate -s 6G sparse && test $(du -k sparse | cut -f1) -lt 10 &&
        echo x | dd of=sparse bs=1 seek=5G conv=notrunc status=none && ln sparse hard &&
        test $(stat -c %h sparse) = 2 && rm sparse hard &&
        /usr/bin/python3 -c 'import os; os.close(os.open("/tmp", os.O_TMPFILE | os.O_RDWR))'
    """).status == 0


def test_queues_and_semaphores_are_private(duo):
    plain(duo, "a", "touch /dev/shm/only-a; ipcmk -M 4096 >/dev/null", check=True)
    assert plain(duo, "b", "test -e /dev/shm/only-a").status == 1
    assert "0x" not in plain(duo, "b", "ipcs -m").stdout


def test_the_checkout_and_the_build_are_visible_and_read_only(duo, fake_build):
    for folder in (ROOT, fake_build):
        assert plain(duo, "a", ["test", "-d", folder]).status == 0
        assert "Read-only" in plain(duo, "a", ["touch", folder / "x"]).stderr


def test_an_orphan_is_reaped(duo):
    plain(duo, "a", "(sleep 0.05 & exec sleep 0.01) & (setsid true &) ; wait", check=True)
    wait_until(lambda: "Z" not in plain(duo, "a", "ps -eo stat=").stdout, what="no zombie is left")


# ---- exec ----

def test_exec_hands_through_input_output_and_status(duo):
    result = duo.exec("a", "cat; echo oops >&2; exit 7", input="in\n")
    assert (result.status, result.stdout, result.stderr) == (7, "in\n", "oops\n")
    assert plain(duo, "a", "kill -TERM $$").status == 128 + signal.SIGTERM
    assert plain(duo, "a", ["no-such-program"]).status == 127
    assert plain(duo, "a", ["/etc"]).status == 126


def run_tool(duo, *words, **how):
    return subprocess.run([TOOL, "exec", "--state", duo.folder, *words], capture_output=True, timeout=20, **how)


def test_exec_hands_through_the_environment_and_nothing_else(duo):
    env = {b"A": b"1", b"ODD": b"\xff\n=x", b"PATH": b"/usr/bin:/bin"}
    done = run_tool(duo, "a", "--plain", "--", "env", "-0", env=env)
    assert sorted(done.stdout.rstrip(b"\0").split(b"\0")) == sorted(name + b"=" + value for name, value in env.items())


def test_exec_loads_the_library_unless_plain(duo):
    look = "grep -c libqnet.so /proc/self/maps"
    assert duo.exec("a", look).stdout.strip() != "0"
    assert plain(duo, "a", look).stdout.strip() == "0"
    joined = duo.exec("a", "echo $LD_PRELOAD", env={"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/libm.so.6"}).stdout
    assert joined.startswith("/run/qnet/lib/libqnet.so:") and joined.strip().endswith("libm.so.6")


def test_exec_keeps_the_working_folder_where_the_node_has_it(duo, tmp_path):
    assert plain(duo, "a", ["pwd"], cwd="/usr/share").stdout == "/usr/share\n"
    assert plain(duo, "a", ["pwd"], cwd=tmp_path).stdout == "/\n"


def test_exec_leaves_signals_as_they_were(duo):
    look = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    assert plain(duo, "a", look).stdout == subprocess.run(look, capture_output=True, text=True, check=True).stdout


def test_exec_as_a_user(duo):
    said = duo.exec("a", "id -u; id -g; cd; pwd; touch here && stat -c %u here; echo $HOME; touch /tmp/u && rm /tmp/u; "
                         "grep -c libqnet.so /proc/self/maps; touch /x", user=1000)
    lines = said.stdout.splitlines()
    assert lines[:2] == ["1000", "1000"] and lines[2] == lines[4] and lines[3] == "1000" and lines[5] != "0"
    assert "Permission denied" in said.stderr
    assert plain(duo, "a", ["id", "-un"], user="nobody").stdout == "nobody\n"
    assert plain(duo, "a", ["id", "-u"], user=54321).stdout == "54321\n"
    assert "no user" in plain(duo, "a", ["id"], user="nosuchuser").stderr


def test_exec_as_a_user_brings_the_groups_of_the_node(duo):
    plain(duo, "a", "groupadd -g 7777 crew && usermod -aG crew games", check=True)
    assert "7777" in plain(duo, "a", ["id", "-G"], user="games").stdout.split()
    assert "7777" not in plain(duo, "b", ["id", "-G"], user="games").stdout.split()


def test_exec_has_the_terminal_of_the_caller(duo):
    command = f"{TOOL} exec a --state {duo.folder} -- bash -c 'test -t 0 && test -t 1 && echo tty; stty -a | head -c 5'"
    done = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, timeout=20,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.stdout.startswith(b"tty\r\nspeed") and done.returncode == 0


def running(lab, node, mark):
    return plain(lab, node, ["pgrep", "-fx", mark]).stdout.split()


@pytest.mark.parametrize("user", [None, 1000])
def test_the_command_dies_when_exec_is_killed(duo, user):
    mark = f"sleep 86401.{user or 0}"
    command = subprocess.Popen([TOOL, "exec", "--state", duo.folder, "a", *(["--user", str(user)] if user else []),
                                "--", *mark.split()])
    wait_until(lambda: running(duo, "a", mark), what="the command runs")
    command.kill()
    command.wait()
    wait_until(lambda: not running(duo, "a", mark), timeout=2, what="the command is dead")
    wait_until(lambda: "Z" not in plain(duo, "a", "ps -eo stat=").stdout, what="and reaped")


def test_the_command_dies_even_if_it_changed_its_identity(duo):
    command = subprocess.Popen([TOOL, "exec", "--state", duo.folder, "a", "--plain", "--",
                                "setpriv", "--reuid=1000", "--clear-groups", "sleep", "86402"])
    wait_until(lambda: running(duo, "a", "sleep 86402"), what="the command runs")
    command.kill()
    command.wait()
    wait_until(lambda: not running(duo, "a", "sleep 86402"), timeout=2, what="the command is dead")


def test_a_signal_to_exec_reaches_the_command(duo):
    command = duo.start("a", "trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.02; done")
    assert os.read(command.process.stdout.fileno(), 6) == b"ready\n"
    command.process.send_signal(signal.SIGUSR1)
    result = command.wait()
    assert (result.status, result.stdout) == (9, "got it\n")


def test_what_a_command_leaves_in_the_background_lives_on(duo):
    assert duo.exec("a", "sleep 86403 >/dev/null 2>&1 & echo started").stdout == "started\n"
    assert len(running(duo, "a", "sleep 86403")) == 1
    plain(duo, "a", ["pkill", "-fx", "sleep 86403"], check=True)


def seconds_of(command):
    start = time.monotonic()
    command()
    return time.monotonic() - start


def processor_seconds_of(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(10):
        subprocess.run(words, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 10


def test_exec_costs_little_more_than_starting_python(duo):
    """Processor time: the machine may be busy."""
    python_s = processor_seconds_of(["/usr/bin/python3", "-IS", "-c", "pass"])
    exec_s = processor_seconds_of([TOOL, "exec", "--state", duo.folder, "a", "--plain", "--", "true"])
    assert exec_s < 3 * python_s + 0.02, (exec_s, python_s)


# ---- agents ----

def agent_state(lab, node):
    return plain(lab, node, "ps -o stat= -p $(cat /run/qnet/fake.pid)").stdout.strip()


@pytest.mark.slow
def test_the_agent_gets_its_options(make_fake_lab, tmp_path):
    key = tmp_path / "cluster.key"
    key.write_text("secret")
    lab = make_fake_lab("a", "b", options=["--key", str(key), "--more"])
    assert f"--key {key} --more" in lab.log("a") and "--trusted" not in lab.log("a")
    assert plain(lab, "a", f"cat {key}; stat -c %a {key}").stdout == "secret600\n"


def test_trusted_is_the_default(duo):
    assert "fake agent: --name a --link en0=udp:10.71.0.1 --link en1=udp:10.71.1.1 " \
           "--peer b=en0@10.71.0.2,en1@10.71.1.2 --trusted\n" in duo.log("a")


def test_agent_verbs(make_fake_lab):
    lab = make_fake_lab("a", "b")
    lab.agent("a", "stop")
    assert agent_state(lab, "a").startswith("T")
    lab.agent("a", "cont")
    assert agent_state(lab, "a").startswith("S")
    lab.agent("a", "kill")
    assert agent_state(lab, "a") == ""
    lab.agent("a", "kill")
    with pytest.raises(LabFailed, match="not running"):
        lab.agent("a", "stop")
    lab.agent("a", "restart")
    lab.agent("a", "restart")
    assert agent_state(lab, "a").startswith("S")
    assert lab.log("a").count("fake agent:") == 3


@pytest.mark.slow
def test_an_agent_that_dies_at_start_fails_up_and_shows_its_log(fake_build, tmp_state):
    lab = Lab(tmp_state, fake_build)
    with pytest.raises(LabFailed, match="(?s)died at start.*told to die"):
        lab.up("a", "b", options=["--fake-die"])
    assert helpers_of(tmp_state) == [] and not tmp_state.exists()


# ---- beginning and end ----

def namespaces():
    return {os.readlink(path) for kind in ("net", "mnt", "pid", "ipc", "uts")
            for path in map(str, Path("/proc").glob(f"[0-9]*/ns/{kind}")) if os.path.lexists(path) and readable(path)}


def readable(path):
    try:
        return bool(os.readlink(path))
    except OSError:
        return False


def test_down_leaves_nothing(fake_build, tmp_state):
    mounts = Path("/proc/self/mountinfo").read_text()
    interfaces = sorted(os.listdir("/sys/class/net"))
    lab = Lab(tmp_state, fake_build).up("a", "b", "c", links=2)
    inits = init_pids(lab)
    inside = {os.readlink(f"/proc/{pid}/ns/{kind}") for pid in inits for kind in ("net", "mnt", "pid", "ipc", "uts")}
    background = lab.start("a", ["sleep", "1000"])
    lab.exec("b", "sleep 86404 >/dev/null 2>&1 &")
    lab.tool("down")
    assert background.wait(5).status == 128 + signal.SIGKILL
    assert not any(os.path.exists(f"/proc/{pid}") for pid in inits)
    assert helpers_of(tmp_state) == [] and not tmp_state.exists()
    assert Path("/proc/self/mountinfo").read_text() == mounts and sorted(os.listdir("/sys/class/net")) == interfaces
    assert not inside & namespaces()
    lab.tool("down")


@pytest.mark.slow
def test_two_labs_do_not_see_each_other(duo, make_fake_lab):
    other = make_fake_lab("a", "b")
    plain(other, "a", "touch /tmp/in-the-other", check=True)
    assert plain(duo, "a", "test -e /tmp/in-the-other").status == 1
    other.link("a-b:en0", "cut")
    assert can_reach(duo, "a", "10.71.0.2") and not can_reach(other, "a", "10.71.0.2", 0.2)


@pytest.mark.slow
def test_a_running_lab_is_not_replaced(make_fake_lab):
    lab = make_fake_lab("a", "b")
    with pytest.raises(LabFailed, match="already up"):
        lab.up("a", "b")
    assert plain(lab, "a", ["true"]).status == 0


@pytest.mark.slow
def test_up_cleans_what_an_unclean_end_left(fake_build, tmp_state):
    lab = Lab(tmp_state, fake_build)
    starter = subprocess.Popen([TOOL, "up", "a", "b", "--state", tmp_state, "--build", fake_build, "--", "--fake-deaf"])
    wait_until(lambda: len(helpers_of(tmp_state)) == 2, what="the nodes run")
    starter.kill()
    starter.wait()
    left = helpers_of(tmp_state)
    assert plain(lab, "a", ["true"]).status == 1
    lab.up("a", "b")
    assert not set(left) & set(helpers_of(tmp_state))
    os.kill(init_pids(lab)[0], signal.SIGKILL)
    lab.up("a", "b", "c")
    assert plain(lab, "c", ["hostname"]).stdout == "c\n"
    os.unlink(tmp_state / "lab.json")
    lab.down()
    assert helpers_of(tmp_state) == [] and not tmp_state.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_cleans_up(fake_build, tmp_state, number):
    starter = subprocess.Popen([TOOL, "up", "a", "b", "--state", tmp_state, "--build", fake_build, "--", "--fake-deaf"])
    wait_until(lambda: len(helpers_of(tmp_state)) == 2, what="the nodes run")
    starter.send_signal(number)
    assert starter.wait(timeout=20) == 128 + number
    assert helpers_of(tmp_state) == [] and not tmp_state.exists()


@pytest.mark.slow
def test_up_is_quick(fake_build, tmp_state):
    times = []
    while len(times) < 3 and min(times, default=9) >= 2:
        with Lab(tmp_state, fake_build) as lab:
            times.append(seconds_of(lambda: lab.up("a", "b")))
    assert min(times) < 2, times


@pytest.mark.parametrize("words", [[], ["a", "a"], ["a/b"], ["a", "b", "--links", "0"],
                                   ["a", "--build", "/nonexistent"], ["a", "b", "--link-names", "x,x"], ["-x"]])
def test_up_refuses_nonsense(fake_build, tmp_state, words):
    build = [] if "--build" in words else ["--build", str(fake_build)]
    with pytest.raises(LabFailed):
        Lab(tmp_state, fake_build).tool("up", *words, *build)
    assert not tmp_state.exists()


@pytest.mark.slow
def test_the_state_folder_may_come_from_the_environment(fake_build, tmp_state):
    env = {**os.environ, "QNET_LAB_STATE": str(tmp_state)}
    subprocess.run([TOOL, "up", "a", "b", "--build", fake_build], env=env, check=True, timeout=20)
    done = subprocess.run([TOOL, "exec", "b", "hostname"], env=env, check=True, timeout=20, capture_output=True)
    subprocess.run([TOOL, "down"], env=env, check=True, timeout=20)
    assert done.stdout == b"b\n" and not tmp_state.exists()


def test_help_and_unknown_verbs():
    assert b"tests/lab up NODE" in subprocess.run([TOOL, "--help"], capture_output=True, check=True).stdout
    assert subprocess.run([TOOL, "fly"], capture_output=True, check=False).returncode == 1
