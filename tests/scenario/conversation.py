# SPDX-License-Identifier: Apache-2.0
"""conversation.py: how does a test speak with a program that runs in a node, a line at a time?"""
import os
import select
import time

from harness import Result

LINE_TIMEOUT_S = 20


class Conversation:
    """A started command (harness.Running) whose output is read as it comes. Lines must be flushed by the program."""

    def __init__(self, running):
        self.running = running
        self.pending = b""

    def read_line(self, timeout=LINE_TIMEOUT_S):
        """The next line with its end; an assertion if none comes in time or the program is gone."""
        deadline = time.monotonic() + timeout
        out = self.running.process.stdout.fileno()
        while b"\n" not in self.pending:
            ready, _, _ = select.select([out], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no line after {timeout} s from {self.running.title}; so far {self.pending!r}"
            piece = os.read(out, 65536)
            if not piece:
                errors = self.running.process.stderr.read().decode()
                raise AssertionError(f"ended instead of a line: {self.running.title}\n{self.pending!r}\n{errors}")
            self.pending += piece
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode() + "\n"

    def write_line(self, text=""):
        self.running.process.stdin.write(text.encode() + b"\n")
        self.running.process.stdin.flush()

    def wait(self, timeout=30):
        """Closes its input and waits. The result has what was not read as lines."""
        result = self.running.wait(timeout)
        return Result(result.status, self.pending.decode() + result.stdout, result.stderr)

    def kill(self):
        self.running.kill()


def converse(lab, node, program, *arguments, **how):
    """Starts a Python program (its source) on the node and listens."""
    return Conversation(lab.start(node, ["/usr/bin/python3", "-c", program, *arguments], **how))
