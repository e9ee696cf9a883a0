# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the scenario tests.

lab        two nodes, a and b, shared by all tests of the run. A test that disturbs an agent or a link puts it right; if
           it fails before that, the next test gets a new lab.
make_lab   make_lab("a", "b", "c", links=2, options=[…]) → a lab of the test's own, gone at its end.
tmp_state  a folder for --state.

After every test with lab or make_lab the number of handles at each owner must be back at its first count. Not compared:
a lab left with an agent dead or a link cut (an owner may keep a lost client's handles for --session-hold).

Marks: slow (not with --quick), long (only with --long). Every test has a time limit of TEST_TIMEOUT_S unless it has its
own @pytest.mark.timeout.
"""
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import Lab, LabFailed, wait_until  # noqa: E402

TEST_TIMEOUT_S = 120
HANDLES_BACK_S = 2
LEVEL = os.environ.get("QNET_TEST_LEVEL", "normal")  # quick, normal or long; set by tests/run


def pytest_configure(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # A run that is ended still takes its labs down.
    config.addinivalue_line("markers", "slow: takes more than a few seconds; not with --quick")
    config.addinivalue_line("markers", "long: takes minutes; only with --long")
    if LEVEL not in ("quick", "normal", "long"):
        raise pytest.UsageError("QNET_TEST_LEVEL is quick, normal or long")


def pytest_collection_modifyitems(config, items):
    unwanted = {"quick": ("slow", "long"), "normal": ("long",), "long": ()}[LEVEL]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in unwanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure shows the end of every agent's log."""
    report = (yield).get_result()
    if not report.failed or report.when != "call":
        return
    values = getattr(item, "funcargs", {}).values()
    for lab in {id(value): value for value in values if isinstance(value, Lab)}.values():
        for node in lab.nodes:
            try:
                report.sections.append((f"agent of {node}", "\n".join(lab.log(node).splitlines()[-60:])))
            except LabFailed as error:
                report.sections.append((f"agent of {node}", str(error)))


def need_root():
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")


class SharedLab:
    """One lab for the run, made again when a test has left it broken."""

    def __init__(self, folder):
        self.folder = folder
        self.lab = None

    def get(self):
        if self.lab is not None and not self.lab.is_whole():
            self.end()
        if self.lab is None:
            self.lab = Lab(self.folder)
            try:
                self.lab.up("a", "b")
            except LabFailed:
                self.lab = None
                raise
        return self.lab

    def end(self):
        if self.lab is not None:
            self.lab.down()
            self.lab = None


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory):
    need_root()
    shared = SharedLab(tmp_path_factory.mktemp("lab") / "state")
    yield shared
    shared.end()


def handles_are_back(lab, before):
    """An assertion unless `lab`, if whole, holds at each node not more handles than `before` within HANDLES_BACK_S."""
    if lab.is_whole():
        wait_until(lambda: all(count <= before[node] for node, count in lab.all_handles().items()), HANDLES_BACK_S,
                   lambda: f"handles are back at {before}, not {lab.all_handles()}")


@pytest.fixture
def lab(shared_lab):
    """See above."""
    current = shared_lab.get()
    before = current.all_handles()
    yield current
    handles_are_back(current, before)


@pytest.fixture
def tmp_state(tmp_path):
    need_root()
    return tmp_path / "state"


@pytest.fixture
def make_lab(tmp_state):
    """See above. Programs that the test has left running are ended before its handles are counted."""
    labs = []

    def make(*nodes, build=None, **how):
        one = Lab(f"{tmp_state}{len(labs)}", build)
        labs.append((one, None))
        one.up(*nodes, **how)
        labs[-1] = (one, None if build else one.all_handles())  # Agents of a given build only pretend.
        return one

    yield make
    try:
        for one, before in labs:
            one.end_commands()
            if before is not None:
                handles_are_back(one, before)
    finally:
        for one, _ in labs:
            one.down()
