# SPDX-License-Identifier: Apache-2.0
"""Every fuzz target takes its corpus and what it makes of it, for FUZZ_SECONDS (QNET_FUZZ_SECONDS changes that).

The corpora in tests/fuzz/corpus are small and minimised; an input that has shown a bug stays in them under a name of
its own. corpus/README.md says how to grow them.
"""
import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAMS = Path(os.environ.get("QNET_FUZZ_DIR", ROOT / "build/fuzz")) / "bin"
LEVEL = os.environ.get("QNET_TEST_LEVEL", "normal")
FUZZ_SECONDS = int(os.environ.get("QNET_FUZZ_SECONDS", {"quick": 1, "normal": 6, "long": 180}[LEVEL]))
INPUT_SECONDS_MAX = 10
MEMORY_MIB_MAX = 1500
# Longest input worth making: a course of events needs more bytes than one message.
INPUT_BYTES_MAX = {"config": 300, "engine": 800, "listing": 600, "local_socket": 1200, "messages": 300, "names": 200,
                   "packet": 300, "programs": 500, "simulation": 42}
CORPUS_BYTES_MAX = 300_000


def test_every_target_is_built_and_has_a_corpus():
    targets = {path.name.removesuffix("_fuzz.cpp") for path in HERE.glob("*_fuzz.cpp")}
    assert targets == set(INPUT_BYTES_MAX)
    assert {folder.name for folder in (HERE / "corpus").iterdir() if folder.is_dir()} == targets
    assert not [target for target in targets if not (PROGRAMS / f"qnet_{target}_fuzz").exists()], "not built"


def test_the_corpora_stay_small():
    size = sum(path.stat().st_size for path in (HERE / "corpus").rglob("*") if path.is_file())
    assert size <= CORPUS_BYTES_MAX


def fuzz(target, *arguments):
    command = [PROGRAMS / f"qnet_{target}_fuzz", f"-timeout={INPUT_SECONDS_MAX}", f"-rss_limit_mb={MEMORY_MIB_MAX}",
               *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=FUZZ_SECONDS + 100)


@pytest.mark.timeout(FUZZ_SECONDS + 110)
@pytest.mark.parametrize("target", sorted(INPUT_BYTES_MAX))
def test_survives_its_corpus_and_what_follows_from_it(target, tmp_path):
    found = tmp_path / "found"
    found.mkdir()
    run = fuzz(target, f"-max_total_time={FUZZ_SECONDS}", f"-max_len={INPUT_BYTES_MAX[target]}", "-len_control=0",
               "-print_final_stats=1", f"-artifact_prefix={tmp_path}/", found, HERE / "corpus" / target)
    if run.returncode != 0:
        inputs = [f"{path.name}: {path.read_bytes().hex()}" for path in tmp_path.iterdir() if path.is_file()]
        replay = f"replay: xxd -r -p >input, then build/fuzz/bin/qnet_{target}_fuzz input"
        pytest.fail("\n".join([run.stderr[-4000:], *inputs, replay]))
    units = int(re.search(r"number_of_executed_units: (\d+)", run.stderr)[1])
    assert units > 100, run.stderr[-2000:]


def test_a_target_can_fail(tmp_path):
    """A memory limit that nothing can keep: the run must end badly and leave the input."""
    run = subprocess.run([PROGRAMS / "qnet_packet_fuzz", "-malloc_limit_mb=1", "-max_total_time=60", "-max_len=2000000",
                          "-len_control=0", f"-artifact_prefix={tmp_path}/"],
                         capture_output=True, text=True, errors="replace", timeout=100)
    assert run.returncode != 0, run.stderr[-2000:]
