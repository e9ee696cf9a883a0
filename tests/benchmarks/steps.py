# SPDX-License-Identifier: Apache-2.0
"""Runs commands by turns and times them; runs inside a node, so that getting into the node is not timed.

Standard input: {"rounds": N, "first_round": N, "library": PATH, "steps": [STEP…]}, where a STEP is
  label    under which its values are given back
  words    the command; "{round}" in a word becomes the round's number
  library  true: under libqnet.so
  value    None: seconds it took; else the number behind this word in its output ("p50")
  before   a command that prepares it, not timed, not under the library
  forget   a file whose cached pages are dropped first
Standard output: {label: [values]}, or {"error": TEXT}.
"""
import json
import os
import subprocess
import sys
import time

LIMIT_S = 600


class StepError(Exception):
    pass


def run(words, environment, keep_output):
    start = time.monotonic()
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE if keep_output else subprocess.DEVNULL, check=False, timeout=LIMIT_S)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        raise StepError(f"{' '.join(words)}: status {done.returncode}: {done.stderr.strip()[-500:]}")
    return seconds, done.stdout


def number_behind(word, output):
    words = output.split()
    if word not in words[:-1]:
        raise StepError(f"no {word} in: {output.strip()[-500:]}")
    return float(words[words.index(word) + 1])


def forget(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def run_step(step, number, plain, preloaded):
    words = [word.replace("{round}", str(number)) for word in step["words"]]
    if step.get("before"):
        run([word.replace("{round}", str(number)) for word in step["before"]], plain, False)
    if step.get("forget"):
        forget(step["forget"])
    seconds, output = run(words, preloaded if step.get("library") else plain, bool(step.get("value")))
    return number_behind(step["value"], output) if step.get("value") else seconds


def main():
    task = json.load(sys.stdin)
    plain = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    preloaded = plain | {"LD_PRELOAD": task["library"]}
    values = {step["label"]: [] for step in task["steps"]}
    try:
        for number in range(task["first_round"], task["first_round"] + task["rounds"]):
            for step in task["steps"]:
                values[step["label"]].append(run_step(step, number, plain, preloaded))
    except (StepError, OSError, subprocess.TimeoutExpired) as error:
        values = {"error": str(error)}
    json.dump(values, sys.stdout)


if __name__ == "__main__":
    main()
