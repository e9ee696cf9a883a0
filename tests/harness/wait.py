# SPDX-License-Identifier: Apache-2.0
"""How does a test wait? For a condition and never longer than it says; a plain sleep is never right."""
import time

POLL_S = 0.01


def wait_until(condition, timeout=5, what=None):
    """Calls condition() until it gives something true, and returns that. Too late: an assertion that names it: `what`
    is text, or is called for it then."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            name = what() if callable(what) else what or getattr(condition, "__name__", "condition")
            raise AssertionError(f"not within {timeout} s: {name} (last seen: {value!r})")
        time.sleep(POLL_S)
