#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program that never touches /net behaves the same with libqnet.so, without an agent.

    test_local_unchanged.py QNET_PROBE LIBQNET_SO
"""

import os
import subprocess
import sys
import tempfile

PROBE_SECONDS_MAX = 60


def run(probe, name, environment):
    with tempfile.TemporaryDirectory(prefix="qnet-probe-") as directory:
        done = subprocess.run([probe, name, directory], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PROBE_SECONDS_MAX, check=False)
    return done.returncode, done.stdout, done.stderr.replace(directory, "DIRECTORY")


def main():
    probe, library = sys.argv[1:]
    names = subprocess.run([probe, "--list"], capture_output=True, text=True, check=True).stdout.split()
    plain = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    loaded = plain | {"LD_PRELOAD": library, "QNET_SOCKET": "/nonexistent/agent.sock"}
    failed = 0
    for name in names + ["limits"]:
        expected, got = run(probe, name, plain), run(probe, name, loaded)
        if expected == got:
            continue
        failed += 1
        print(f"{name}: with the library status {got[0]} instead of {expected[0]}; {got[2]}")
        for before, after in zip(expected[1].splitlines(), got[1].splitlines()):
            if before != after:
                print(f"  - {before}\n  + {after}")
    print(f"{len(names) + 1} probes, {failed} changed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
