# SPDX-License-Identifier: Apache-2.0
"""What every scenario test needs: a lab to run commands in (lab.py), waiting with a limit (wait.py)."""
from harness.lab import Lab, LabFailed, Result, Running
from harness.wait import wait_until

__all__ = ["Lab", "LabFailed", "Result", "Running", "wait_until"]
