# SPDX-License-Identifier: Apache-2.0
"""How fast are remote files, against sshfs over the same link? tmpfs on both sides."""
from benchmarks import figures, network
from benchmarks.testbed import PINNINGS, QNET, SSHFS

STORE = "/dev/shm/bench"  # in both nodes
PINNED = ("one CPU", "unpinned")  # a floor holds for "unpinned", what users have


def floor(pinning, least):
    """What a figure must reach, if it is one that users see."""
    return least if pinning == "unpinned" else None


def copy(bed):
    """cp of a big file, both ways; the copies are compared at the end."""
    bed.need_sshfs()
    mebibytes = 16 if bed.smoke else 512
    for node in ("a", "b"):
        bed.shell_in(node, f"mkdir -p {STORE}; head -c {mebibytes}M /dev/urandom > {STORE}/big-{node}")
    pull = [f"{QNET}{STORE}/big-b", f"{SSHFS}{STORE}/big-b"]
    push = [f"{QNET}{STORE}/copy-qnet", f"{SSHFS}{STORE}/copy-sshfs"]
    for pinning in PINNINGS:
        bed.pin(pinning)
        from_b = bed.run_steps([
            {"label": "qnet", "words": ["cp", pull[0], f"{STORE}/copy-qnet"], "library": True,
             "before": ["rm", "-f", f"{STORE}/copy-qnet"]},
            {"label": "sshfs", "words": ["cp", pull[1], f"{STORE}/copy-sshfs"], "forget": pull[1],
             "before": ["rm", "-f", f"{STORE}/copy-sshfs"]}])
        yield figures.times_as_fast("files", f"cp {mebibytes} MiB from b", pinning, from_b["qnet"], from_b["sshfs"],
                                    at_least=floor(pinning, 2.0))
        to_b = bed.run_steps([
            {"label": "qnet", "words": ["cp", f"{STORE}/big-a", push[0]], "library": True,
             "before": ["rm", "-f", f"{SSHFS}{STORE}/copy-qnet"]},
            {"label": "sshfs", "words": ["cp", f"{STORE}/big-a", push[1]],
             "before": ["rm", "-f", f"{SSHFS}{STORE}/copy-sshfs"]}])
        yield figures.times_as_fast("files", f"cp {mebibytes} MiB to b", pinning, to_b["qnet"], to_b["sshfs"],
                                    at_least=floor(pinning, 2.0))
    for name in ("copy-qnet", "copy-sshfs"):
        bed.shell_in("a", f"cmp {STORE}/{name} {SSHFS}{STORE}/big-b")
        bed.shell_in("a", f"cmp {STORE}/big-a {SSHFS}{STORE}/{name}")
    for node in ("a", "b"):
        bed.shell_in(node, f"rm -rf {STORE}")


def small(bed):
    """Many small files: what counts is how many round trips each takes. Every folder is new to both sides."""
    bed.need_sshfs()
    bed.pin("unpinned")
    cats, members = (50, 100) if bed.smoke else (2000, 5000)
    first, last = bed.next_round, bed.next_round + bed.rounds * len(PINNED) - 1
    bed.shell_in("b", f"""
        for round in $(seq {first} {last}); do for side in qnet sshfs; do
          mkdir -p {STORE}/cat-$side-$round {STORE}/tar-$side-$round; cd {STORE}/cat-$side-$round
          seq -f 'number%03.0f' {cats} | head -c {cats * 10} | split -a 4 -b 10 - f
          test "$(cat * | wc -c)" -ge {cats * 10} || exit 1
        done; done""")
    bed.shell_in("a", f"""
        mkdir -p {STORE}/members; cd {STORE}/members
        head -c {members * 100} /dev/zero | split -a 4 -b 100 - m; tar -cf {STORE}/members.tar .""")
    cat_times, tar_times = {}, {}
    for pinning in PINNED:
        bed.pin(pinning)
        times = bed.run_steps([step for side, root in (("qnet", QNET), ("sshfs", SSHFS)) for step in (
            {"label": f"cat {side}", "library": side == "qnet",
             "words": ["sh", "-c", f'test "$(cat {root}{STORE}/cat-{side}-{{round}}/* | wc -c)" = {cats * 10}']},
            {"label": f"tar {side}", "library": side == "qnet",
             "words": ["tar", "-xf", f"{STORE}/members.tar", "-C", f"{root}{STORE}/tar-{side}-{{round}}"]})])
        for label, samples in times.items():
            kind, samples.label = label.split()
            (cat_times if kind == "cat" else tar_times)[samples.label] = samples
        yield figures.times_as_fast("small", f"cat of {cats} files", pinning, cat_times["qnet"], cat_times["sshfs"],
                                    at_least=floor(pinning, 3.0))
        yield figures.times_as_fast("small", f"tar -x of {members} files", pinning, tar_times["qnet"],
                                    tar_times["sshfs"], at_least=floor(pinning, 3.0))
    bed.shell_in("b", f'test "$(ls {STORE}/tar-qnet-{first} | wc -l)" = {members}; rm -rf {STORE}')
    bed.shell_in("a", f"rm -rf {STORE}")


def pread(bed):
    """The latency of one small operation: against sshfs, and against its own hops without a protocol."""
    bed.need_sshfs()
    bed.pin("unpinned")
    network.start_relay(bed)
    program, relay = bed.program("pread"), bed.program("relay")
    count = 100 if bed.smoke else 500
    bed.shell_in("b", f"mkdir -p {STORE}; {program} make --file {STORE}/blocks --mebibytes 64")
    # A round's blocks belong to it alone, so the rounds must fit into the file: 3 pinnings of them.
    rounds = min(bed.rounds, 16384 // (count + 50) // len(PINNINGS))
    bed.next_round = 0
    reading = [program, "read", "--count", str(count), "--round", "{round}", "--file"]
    for pinning in PINNINGS:
        bed.pin(pinning)
        times = bed.run_steps([
            {"label": "qnet", "value": "p50", "library": True, "words": reading + [f"{QNET}{STORE}/blocks"]},
            {"label": "sshfs", "value": "p50", "words": reading + [f"{SSHFS}{STORE}/blocks"]},
            {"label": "relay", "value": "p50", "words": [
                relay, "app", "--local", network.RELAY_SOCKET, "--size", "64:4096", "--count", str(10 * count)]},
        ], rounds=rounds, unit="µs")
        yield figures.times_as_fast("pread", "4 KiB at random, p50", pinning, times["qnet"], times["sshfs"],
                                    at_least=floor(pinning, 1.5))
        yield figures.times_as_long("pread", "4 KiB at random, p50", pinning, times["qnet"], times["relay"],
                                    at_most=None if pinning == "unpinned" else 1.6)
    bed.shell_in("b", f"rm -rf {STORE}")
