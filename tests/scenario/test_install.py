# SPDX-License-Identifier: Apache-2.0
"""Does LD_PRELOAD=libqnet.so work by name after `cmake --install`, and does the demo do what it shows?"""
import os
import subprocess
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


def processes():
    """{pid and start time: command} of those that the checkout's programs have started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            started = (folder / "stat").read_text().rsplit(")", 1)[1].split()[19]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"{ROOT}/" in words:
            found[folder.name, started] = words
    return found


@pytest.fixture
def no_trace():
    """No process, mount, interface or change of the checkout is left that was not there before."""
    before = sorted(os.listdir("/sys/class/net")), mountinfo(), checkout()
    running = processes()
    yield
    assert (sorted(os.listdir("/sys/class/net")), mountinfo(), checkout()) == before
    wait_until(lambda: not processes().keys() - running.keys(), 5, "every process is gone")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_trace")
def test_the_demo_works_and_leaves_nothing(tmp_path):
    done = subprocess.run([ROOT / "examples" / "demo"], capture_output=True, text=True, timeout=280, check=False,
                          cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)}, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in ("a# ls /net", "a# sort </net/b/tmp/fruit", "They are.", "What to try next"):
        assert shown in done.stdout
    assert not list(Path("/tmp").glob("qnet-demo.*"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_trace")
def test_a_benchmark_runs_and_leaves_nothing(tmp_path):
    need_root()
    done = subprocess.run([ROOT / "tests" / "bench", "r", "small", "--smoke"], capture_output=True, text=True,
                          timeout=280, check=False, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
