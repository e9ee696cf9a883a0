# SPDX-License-Identifier: Apache-2.0
"""What is a figure, when is it good enough, and how is it shown?"""
import dataclasses
import json
import os
import platform
import statistics


@dataclasses.dataclass
class Samples:
    """One side of a comparison: what was measured, each value, their unit (s, ms, µs, Gbit/s)."""
    label: str
    values: list
    unit: str

    def median(self):
        return statistics.median(self.values)

    def __str__(self):
        return f"{self.label} {to_text(self.median())} {self.unit}"

    def as_dict(self):
        return {"label": self.label, "median": self.median(), "unit": self.unit, "values": self.values}


@dataclasses.dataclass
class Figure:
    """`value` in `unit` ("times as fast as sshfs"), with the samples that it comes from."""
    bench: str
    what: str
    pinning: str
    value: float
    unit: str
    samples: list
    at_least: float | None = None
    at_most: float | None = None

    def limit(self):
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:g}" if self.at_most is not None else ""

    def is_good(self):
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most)


def to_text(value):
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def times_as_fast(bench, what, pinning, ours, theirs, **limits):
    """Both sides are times: how many of ours fit into one of theirs?"""
    return Figure(bench, what, pinning, theirs.median() / ours.median(), f"times as fast as {theirs.label}",
                  [ours, theirs], **limits)


def times_as_long(bench, what, pinning, ours, theirs, **limits):
    return Figure(bench, what, pinning, ours.median() / theirs.median(), f"times {theirs.label}", [ours, theirs],
                  **limits)


class Report:
    """Prints each figure as soon as it is known; with `as_json` all of them at the end."""

    def __init__(self, as_json, judged):
        self.as_json = as_json
        self.judged = judged
        self.build = ""
        self.figures = []

    def begin(self, build):
        self.build = build
        if not self.as_json:
            print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Linux {platform.release()}, {build}",
                  flush=True)

    def add(self, figure):
        self.figures.append(figure)
        if self.as_json:
            return
        limit = figure.limit()
        verdict = f"{limit}: {'PASS' if figure.is_good() else 'FAIL'}" if limit and self.judged else limit
        sides = ", ".join(map(str, figure.samples))
        print(f"{figure.bench:6} {figure.what:26} {figure.pinning:13} {to_text(figure.value):>6} {figure.unit:28} "
              f"[{sides}; n={len(figure.samples[0].values)}] {verdict}".rstrip(), flush=True)

    def end(self, is_complete=True):
        """The exit status."""
        failed = [figure for figure in self.figures if self.judged and not figure.is_good()]
        if self.as_json:
            print(json.dumps({"build": self.build, "cpus": os.cpu_count(), "kernel": platform.release(),
                              "figures": [self.as_dict(figure) for figure in self.figures]}, indent=1))
        elif self.judged and is_complete:
            limited = sum(1 for figure in self.figures if figure.limit())
            print(f"{limited - len(failed)} of {limited} limits kept")
        return 1 if failed else 0

    def as_dict(self, figure):
        known = {"bench": figure.bench, "what": figure.what, "pinning": figure.pinning, "value": figure.value,
                 "unit": figure.unit, "samples": [samples.as_dict() for samples in figure.samples]}
        if figure.limit():
            known.update({"at_least": figure.at_least, "at_most": figure.at_most,
                          "passed": figure.is_good() if self.judged else None})
        return known
