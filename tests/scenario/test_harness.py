# SPDX-License-Identifier: Apache-2.0
"""Would the harness notice? Late conditions, hanging commands and failed stages must be told, never passed over."""
import subprocess

import pytest

from harness import Lab, Running, wait_until
from harness.lab import ROOT
from harness.summary import add_up, main

JUNIT = """<testsuites><testsuite>
<testcase classname="m" name="good"/>
<testcase classname="m" name="bad"><failure message="no"/></testcase>
<testcase classname="m" name="bad"><error message="and again in its end"/></testcase>
<testcase classname="m" name="not here"><skipped/></testcase>
<testcase classname="c" name="off" status="disabled"/>
</testsuite></testsuites>"""


def stage(folder, name, status, xml=None):
    (folder / f"{name}.status").write_text(f"{status}\n")
    if xml is not None:
        (folder / f"{name}.xml").write_text(xml)


def test_the_summary_counts_each_test_once(tmp_path, capsys):
    stage(tmp_path, "one", 1, JUNIT)
    stage(tmp_path, "two", 0, "<testsuite><testcase name='good'/></testsuite>")
    assert add_up(tmp_path) == ({"passed": 2, "failed": 1, "skipped": 2}, ["one: m.bad"])
    assert main(tmp_path) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 1 failed, 2 skipped"


@pytest.mark.parametrize("xml", [None, "", "<testsuite><testcase name='good'/></testsuite>"])
def test_a_stage_that_fails_without_a_failed_test_counts(tmp_path, xml):
    stage(tmp_path, "build", 124, xml)
    totals, failed = add_up(tmp_path)
    assert totals["failed"] == 1 and failed == ["build: failed as a whole"]


def test_nothing_at_all_is_no_success(tmp_path):
    assert main(tmp_path) == 1


def test_a_late_condition_is_told():
    with pytest.raises(AssertionError, match="not within 0.05 s: the moon is blue"):
        wait_until(lambda: False, timeout=0.05, what="the moon is blue")


def test_a_command_that_hangs_is_killed_and_shows_what_it_printed():
    running = Running(["bash", "-c", "echo so far; sleep 1000"], None, "/", "the command")
    with pytest.raises(AssertionError, match="(?s)not finished after 0.5 s: the command.*so far"):
        running.wait(timeout=0.5)
    assert not running.is_running()


def test_output_that_is_no_text_survives():
    result = Running(["printf", r"\377\r\n\303\244"], None, "/", "printf").wait()
    assert result.raw(result.stdout) == b"\xff\r\n\xc3\xa4" and result.stdout.endswith("\r\nä")


@pytest.mark.parametrize("script", ["tests/setup", "tests/run", "examples/demo", ".ci/run"])
def test_the_scripts_are_well_formed(script):
    assert subprocess.run(["bash", "-n", ROOT / script], check=False).returncode == 0


def test_run_refuses_what_it_does_not_know():
    done = subprocess.run([ROOT / "tests" / "run", "--fast"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--quick" in done.stdout


def test_down_without_a_lab_is_fine(tmp_state):
    Lab(tmp_state).down()
