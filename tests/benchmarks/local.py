# SPDX-License-Identifier: Apache-2.0
"""What does libqnet.so cost a program that never touches /net?"""
from benchmarks import figures, testbed

CPU = 0


def start(bed):
    """+ 0.2 ms: interposition.md and probes.md 6 measured 0.06 for a lean library."""
    without, with_library = [], []
    count = 20 if bed.smoke else 200
    for _ in range(1 if bed.smoke else 3):
        line = testbed.call(["taskset", "-c", str(CPU), bed.program("spawn"), "--library", bed.library(), "--count",
                             str(count)])
        without.append(number_behind("without", line) / 1000)
        with_library.append(number_behind("with", line) / 1000)
    ours = figures.Samples("with libqnet.so", with_library, "ms")
    plain = figures.Samples("without", without, "ms")
    yield figures.Figure("start", f"/bin/true, p50 of {count}", "one CPU", ours.median() - plain.median(),
                         "ms more than without", [ours, plain], at_most=0.2)


def find(bed):
    """Every stat and readdir of it passes through the library."""
    folder = "/usr/share/doc" if bed.smoke else "/usr"
    words = ["find", folder, "-xdev"]
    plain = {"label": "without", "words": words}
    loaded = {"label": "with libqnet.so", "words": words, "library": True}
    testbed.run_steps_here([plain, loaded], 1, bed.library(), CPU)  # fills the caches
    times = testbed.run_steps_here([plain, loaded], max(bed.rounds, 1 if bed.smoke else 9), bed.library(), CPU)
    yield figures.times_as_long("find", f"find {folder} -xdev", "one CPU", times["with libqnet.so"], times["without"],
                                at_most=1.05)


def number_behind(word, line):
    words = line.split()
    return float(words[words.index(word) + 1])
