# SPDX-License-Identifier: Apache-2.0
"""Does LD_PRELOAD=libqnet.so work by name after `cmake --install`, and does the demo do what it shows?"""
import os
import subprocess
from pathlib import Path

import pytest

from conftest import need_root
from harness import Lab
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


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_works_and_leaves_nothing(tmp_path):
    before = sorted(os.listdir("/sys/class/net")), Path("/proc/self/mountinfo").read_text()
    done = subprocess.run([ROOT / "examples" / "demo"], capture_output=True, text=True, timeout=280, check=False,
                          cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)}, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in ("a# ls /net", "a# sort </net/b/tmp/fruit", "They are.", "What to try next"):
        assert shown in done.stdout
    assert (sorted(os.listdir("/sys/class/net")), Path("/proc/self/mountinfo").read_text()) == before
    assert not list(Path("/tmp").glob("qnet-demo.*"))
