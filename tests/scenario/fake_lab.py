# SPDX-License-Identifier: Apache-2.0
"""Labs with agents that only pretend (harness/fakes.py), so that nothing but the lab can fail."""
import json
import os
from pathlib import Path

import pytest

from conftest import need_root
from harness import Lab
from harness.fakes import make_fake_build
from harness.lab import ROOT

HELPER = "qnet_lab_node"


def find_helper():
    for folder in (os.environ.get("QNET_BUILD_DIR"), ROOT / "build"):
        if folder and os.access(Path(folder) / "bin" / HELPER, os.X_OK):
            return Path(folder) / "bin" / HELPER
    pytest.fail(f"{HELPER} is not built")
    return None


@pytest.fixture(scope="module")
def fake_build(tmp_path_factory):
    need_root()
    return make_fake_build(tmp_path_factory.mktemp("fakes") / "build", find_helper())


@pytest.fixture(scope="module")
def duo(fake_build, tmp_path_factory):
    """Two nodes with two links, shared by the tests that leave it as it was."""
    with Lab(tmp_path_factory.mktemp("duo") / "state", fake_build) as lab:
        yield lab.up("a", "b", links=2)


@pytest.fixture
def make_fake_lab(make_lab, fake_build):
    return lambda *nodes, **how: make_lab(*nodes, build=fake_build, **how)


def plain(lab, node, command, **how):
    return lab.exec(node, command, plain=True, **how)


def init_pids(lab):
    state = json.loads((Path(lab.folder) / "lab.json").read_text())
    return [node["init"]["pid"] for node in state["nodes"].values()]


def helpers_of(folder):
    """Processes of the machine whose arguments name this lab."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0].endswith(HELPER.encode()) and str(folder).encode() in words:
            found.append(entry.parent.name)
    return found


def can_reach(lab, node, address, seconds=2):
    """Asks the other node's kernel: a closed port answers with a refusal, a cut link not at all."""
    program = ("import socket,sys; s=socket.socket(); s.settimeout(float(sys.argv[2]))\n"
               "try: s.connect((sys.argv[1], 9))\nexcept ConnectionRefusedError: sys.exit(0)\nsys.exit(1)")
    return plain(lab, node, ["/usr/bin/python3", "-IS", "-c", program, address, str(seconds)]).status == 0
