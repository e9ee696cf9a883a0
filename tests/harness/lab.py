# SPDX-License-Identifier: Apache-2.0
"""A lab as a Python object: tests/lab, which is what users run, with results that tests can compare."""
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from harness.wait import wait_until
from labnet import links as lab_links, state as lab_state

ROOT = Path(__file__).resolve().parents[2]
TOOL = str(ROOT / "tests" / "lab")
TIMEOUT_S = 30
UP_TIMEOUT_S = 60


class LabFailed(Exception):
    """A verb of tests/lab failed; the text is what it printed."""


@dataclass
class Result:
    """Text as UTF-8; bytes that are none survive as surrogates (see raw())."""
    status: int
    stdout: str
    stderr: str

    @staticmethod
    def raw(text):
        return text.encode("utf-8", "surrogateescape")


def _text(data):
    return data.decode("utf-8", "surrogateescape")


def _states(result):
    return {entry["name"]: entry["state"] for entry in json.loads(result.stdout)} if result.status == 0 else {}


def _handles(stats):
    return stats["executor"]["handles_open"]


class Running:
    """A command that runs in a node while the test goes on."""

    def __init__(self, words, environment, cwd, title):
        self.title = title
        # Its own session, so that a time-out can end all of it; a node's processes keep the group of their caller.
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment, cwd=cwd, start_new_session=True)

    def wait(self, timeout=TIMEOUT_S, input=None):  # pylint: disable=redefined-builtin
        """Its result; input is given to it before. Too late: it is killed, and the assertion shows what it printed."""
        data = input.encode("utf-8", "surrogateescape") if isinstance(input, str) else input
        try:
            out, err = self.process.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            self.kill()
            shown = _text((late.stdout or b"")[-2000:] + (late.stderr or b"")[-2000:])
            raise AssertionError(f"not finished after {timeout} s: {self.title}\nit printed: {shown}") from None
        return Result(self.process.returncode, _text(out), _text(err))

    def kill(self):
        """SIGKILL for exec and the command, as if the terminal had gone up in flames."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def is_running(self):
        return self.process.poll() is None


class Lab:
    """with Lab(folder) as lab: lab.up("a", "b") … ; every method is the verb of tests/lab with its name."""

    def __init__(self, folder, build=None):
        self.folder = str(folder)
        self.build = str(build or os.environ.get("QNET_BUILD_DIR") or ROOT / "build")
        self.nodes = ()
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def tool(self, verb, *words, timeout=UP_TIMEOUT_S):
        done = subprocess.run([TOOL, verb, "--state", self.folder, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise LabFailed(f"tests/lab {verb} {' '.join(words)}: status {done.returncode}\n{_text(done.stderr)}")
        return _text(done.stdout)

    def up(self, *nodes, links=None, link_names=None, link_options=None, options=()):
        words = list(nodes) + ["--build", self.build]
        words += ["--links", str(links)] if links is not None else []
        words += ["--link-names", ",".join(link_names)] if link_names else []
        words += ["--link-options", link_options] if link_options else []
        self.tool("up", *words, *(["--", *options] if options else []))
        self.nodes = nodes
        return self

    def end_commands(self):
        """SIGKILL for what start() left running."""
        for command in self.running:
            if command.is_running():
                command.kill()
        self.running.clear()

    def down(self):
        self.end_commands()
        self.tool("down")

    # ---- commands ----

    def start(self, node, command, plain=False, user=None, env=None, cwd="/"):
        """Runs words, or a text with bash, on the node; does not wait. `env` is added to the present environment."""
        words = ["bash", "-c", command] if isinstance(command, str) else [str(word) for word in command]
        tool = [TOOL, "exec", "--state", self.folder, node] + (["--plain"] if plain else [])
        tool += ["--user", str(user)] if user is not None else []
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(env or {})}
        running = Running(tool + ["--"] + words, environment, cwd, f"{node}$ {' '.join(words)[:500]}")
        self.running = [command for command in self.running if command.is_running()] + [running]
        return running

    def exec(self, node, command, plain=False, user=None, env=None, timeout=TIMEOUT_S, input=None, cwd="/",
             check=False):  # pylint: disable=redefined-builtin,too-many-arguments
        """Runs it to its end. With check, a status other than 0 is an assertion that shows what it said."""
        result = self.start(node, command, plain, user, env, cwd).wait(timeout, input)
        if check:
            assert result.status == 0, f"{node}$ {command}: status {result.status}\n{result.stdout}{result.stderr}"
        return result

    # ---- what a test disturbs, and looks at ----

    def link(self, spec, *words):
        self.tool("link", spec, *words)

    def agent(self, node, verb):
        return self.tool("agent", node, verb)

    def signal_agent(self, node, number):
        """Sends the signal to the node's agent; the time (CLOCK_MONOTONIC, seconds) at which it did."""
        pid = lab_state.load_or_fail(self.folder)["nodes"][node]["agent"]["pid"]
        moment = time.monotonic()
        os.kill(pid, number)
        return moment

    def cut(self, spec):
        """link(spec, "cut"); the time (CLOCK_MONOTONIC, seconds) at which it began to."""
        with lab_state.Lock(self.folder):
            lab = lab_state.load_or_fail(self.folder)
            moment = time.monotonic()
            lab_links.change(lab, spec, "cut", None)
            lab_state.save(self.folder, lab)
        return moment

    def log(self, node):
        return self.agent(node, "log")

    def stats(self, node):
        """The counters of a node's agent, as `qnet stats --json` gives them."""
        return json.loads(self.exec(node, ["qnet", "stats", "--json"], plain=True, check=True).stdout)

    def handles(self, node):
        """How many handles the node's agent holds open, for whomever."""
        return _handles(self.stats(node))

    def states(self, node):
        """{name: "self", "up" or "down"} as `qnet nodes` tells it there; {} while the agent does not answer."""
        return _states(self.exec(node, ["qnet", "nodes", "--json"], plain=True))

    def wait_seen(self, node, other, state="up", timeout=10):
        """Until `node` finds `other` in this state."""
        wait_until(lambda: self.states(node).get(other) == state, timeout, f"{node} sees {other} {state}")

    def wait_handles(self, node, count, timeout=2):
        """Until the node's agent is back at this number of handles."""
        wait_until(lambda: self.handles(node) == count, timeout, f"{count} handles at {node}, not {self.handles(node)}")

    def is_whole(self):
        """Does every node see every other? False also while an agent is dead."""
        asked = [self.start(node, ["qnet", "nodes", "--json"], plain=True) for node in self.nodes]
        seen = [_states(command.wait()) for command in asked]
        return all(states.get(other) in ("self", "up") for states in seen for other in self.nodes)

    def all_handles(self):
        """{node: handles()} of all nodes, asked at the same time."""
        asked = {node: self.start(node, ["qnet", "stats", "--json"], plain=True) for node in self.nodes}
        return {node: _handles(json.loads(command.wait().stdout)) for node, command in asked.items()}
