# SPDX-License-Identifier: Apache-2.0
"""Does LD_PRELOAD=libqnet.so work by name after `cmake --install`, does the demo do what it shows, and do the demo, the
benchmarks and a run of the tests leave nothing behind?"""
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import need_root
from harness import Lab, wait_until
from harness.lab import ROOT

HEADERS = ROOT / "preload" / "include" / "qnet"


def install(lab, node):
    """On the node only: an overlay makes its read-only build folder writable for cmake's list of installed files."""
    lab.exec(node, f"""
        set -e
        mkdir -p /tmp/overlay/upper /tmp/overlay/work
        mount -t overlay -o upperdir=/tmp/overlay/upper,workdir=/tmp/overlay/work,lowerdir={lab.build} none {lab.build}
        cmake --install {lab.build} --prefix /usr/local
    """, plain=True, check=True, timeout=60)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    need_root()
    with Lab(tmp_path_factory.mktemp("install") / "state") as lab:
        lab.up("a", "b")
        install(lab, "a")
        yield lab


def test_the_library_works_by_name_once_installed(installed):
    installed.exec("a", "LD_PRELOAD=libqnet.so cp /etc/hostname /net/b/tmp/from-a", plain=True, check=True)
    assert installed.exec("b", "cat /tmp/from-a", plain=True).stdout == "a\n"
    installed.exec("a", "LD_PRELOAD=libqnet.so cp /net/b/etc/hostname /tmp/f", plain=True, user=1000, check=True)
    said = installed.exec("a", "command -v qnetd qnet; qnet run -- cat /net/b/tmp/from-a", plain=True, check=True)
    assert said.stdout.splitlines() == ["/usr/local/bin/qnetd", "/usr/local/bin/qnet", "a"]


def test_the_headers_are_found_once_installed(installed):
    for header in sorted(HEADERS.glob("*.h")):
        installed.exec("a", f"echo '#include <qnet/{header.name}>' | cc -Wall -Werror -fsyntax-only -x c -",
                       plain=True, check=True)


def mountinfo():
    return Path("/proc/self/mountinfo").read_text()


def checkout():
    return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=False).stdout


def processes(folder):
    """{pid: command} of those whose TMPDIR is this folder, in whatever namespaces they are."""
    mark = f"TMPDIR={folder}\0".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes():
                found[entry.name] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def traces(folder):
    """What could be left besides processes. A network namespace lives in a process, a mount or a name."""
    names = Path("/run/netns")
    return (sorted(os.listdir("/sys/class/net")), mountinfo(), sorted(names.iterdir()) if names.is_dir() else [],
            sorted(folder.iterdir()), checkout())


@pytest.fixture
def no_trace(tmp_path):
    """No process, mount, interface, network namespace, temporary file or change of the checkout is left that was not
    there before. Gives the environment for what is to be looked at, which marks its processes."""
    before = traces(tmp_path)
    yield {**os.environ, "TMPDIR": str(tmp_path)}
    wait_until(lambda: not processes(tmp_path), 5, lambda: f"every process is gone, not {processes(tmp_path)}")
    assert traces(tmp_path) == before


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_works_and_leaves_nothing(tmp_path, no_trace):
    done = subprocess.run([ROOT / "examples" / "demo"], capture_output=True, text=True, timeout=280, check=False,
                          cwd=tmp_path, env=no_trace, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in ("a# ls /net", "a# sort </net/b/tmp/fruit", "They are.", "What to try next"):
        assert shown in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_benchmarks_run_and_leave_nothing(tmp_path, no_trace):
    need_root()
    done = subprocess.run([ROOT / "tests" / "bench", "r", "small", "pread", "files", "--smoke"], capture_output=True,
                          text=True, timeout=280, check=False, cwd=tmp_path, env=no_trace, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


RUN_ONE = [ROOT / "tests" / "run", "--only", "tests/scenario/test_lab_links.py"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_of_the_tests_leaves_nothing(tmp_path, no_trace):
    need_root()
    signals = tmp_path / "test_signals.py"
    signals.write_text("import signal\n"
                       "def test_sigint_is_not_ignored(): assert signal.getsignal(signal.SIGINT) != signal.SIG_IGN\n")
    done = subprocess.run([*RUN_ONE, signals], capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path,
                          env=no_trace, stdin=subprocess.DEVNULL)
    signals.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_run_of_the_tests_that_is_ended_leaves_nothing(tmp_path, no_trace):
    need_root()
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(
            RUN_ONE, stdout=said, stderr=said, cwd=tmp_path, env=no_trace, stdin=subprocess.DEVNULL) as run:

        def output():
            said.seek(0)
            return f"a lab is up: {processes(tmp_path)}\n{said.read()}"

        wait_until(lambda: run.poll() is not None or any("qnetd" in words for words in processes(tmp_path).values()),
                   120, output)
        assert run.poll() is None, output()
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=60) == 143
