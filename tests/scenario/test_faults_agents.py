# SPDX-License-Identifier: Apache-2.0
"""Agents that are killed, stopped, full or short of descriptors: a decided errno, in time, and nothing acknowledged
is lost. Labs of the tests' own, because agents with other settings are needed."""
import time

from harness import wait_until


def cat_hostname(lab, **how):
    return lab.exec("a", ["cat", "/net/b/etc/hostname"], **how)


def test_what_the_kernel_says_when_sending_counts_as_well_as_silence(make_lab):
    """A route that is gone is noticed at once, although this agent would wait 30 s for a silent link."""
    lab = make_lab("a", "b", options=["--link-dead-after", "30s"])
    lab.exec("a", "ip route add unreachable 10.71.0.2/32", plain=True, check=True)
    began = time.monotonic()
    assert "Host is down" in cat_hostname(lab, timeout=20).stderr
    assert time.monotonic() - began < 5
    lab.exec("a", "ip route del unreachable 10.71.0.2/32", plain=True, check=True)
    wait_until(lambda: cat_hostname(lab).stdout == "b\n", 10, "b is back")
