# SPDX-License-Identifier: Apache-2.0
"""Adds up a run: NAME.status and, where there is one, NAME.xml (JUnit) of every stage in the folder given.

Prints the failed tests and, as the last line, "N passed, M failed[, K skipped]"; status 1 if M is not 0. A stage that
failed without a failed test (it did not build, crashed, ran out of time) counts as one failure.
"""
import sys
from pathlib import Path
from xml.etree import ElementTree


def count(path):
    """({"passed": …, "failed": …, "skipped": …}, names of the failed)."""
    totals, failed = {"passed": 0, "failed": 0, "skipped": 0}, []
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(".".join(filter(None, [case.get("classname"), case.get("name")])))
        elif case.find("skipped") is not None or case.get("status") in ("disabled", "notrun"):
            totals["skipped"] += 1
        else:
            totals["passed"] += 1
    # One test may have failed in its body and again in its end.
    totals["failed"] = len(set(failed))
    return totals, sorted(set(failed))


def add_up(folder):
    totals, failed = {"passed": 0, "failed": 0, "skipped": 0}, []
    for status_file in sorted(Path(folder).glob("*.status")):
        stage = status_file.stem
        of_stage, names = {}, []
        results = status_file.with_suffix(".xml")
        try:
            if results.exists():
                of_stage, names = count(results)
        except ElementTree.ParseError:
            names = []
        if status_file.read_text().strip() != "0" and not names:
            of_stage["failed"] = of_stage.get("failed", 0) + 1
            names = ["failed as a whole"]
        for kind, number in of_stage.items():
            totals[kind] += number
        failed += [f"{stage}: {name}" for name in names]
    return totals, failed


def main(folder):
    totals, failed = add_up(folder)
    for name in failed:
        print(f"FAILED {name}")
    line = f"{totals['passed']} passed, {totals['failed']} failed"
    print(line + (f", {totals['skipped']} skipped" if totals["skipped"] else ""))
    return 1 if totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
