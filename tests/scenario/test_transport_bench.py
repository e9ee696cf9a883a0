# SPDX-License-Identifier: Apache-2.0
"""The transport's benchmark runs, and no link is given up because nobody gets a CPU."""
import json
import subprocess

import pytest

from conftest import need_root
from harness.lab import ROOT


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_link_is_lost_while_both_cpus_are_saturated(tmp_path):
    need_root()
    done = subprocess.run([ROOT / "tests" / "bench", "transport", "--smoke", "--rounds", "1", "--json"],
                          capture_output=True, text=True, timeout=280, check=False, cwd=tmp_path,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {figure["what"]: figure for figure in json.loads(done.stdout)["figures"]}
    assert figures["links lost, CPUs saturated"]["value"] == 0
    assert figures["2 x 100 Mbit/s"]["value"] > 0.8, "two links carry hardly more than one"
