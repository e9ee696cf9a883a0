# SPDX-License-Identifier: Apache-2.0
"""Does a path use the links that its policy names, and what does a program see when they fail?"""
import json
import time

import pytest

from conversation import converse
from harness import wait_until

ERROR_WITHIN_S = 1.0
#: 50 ms is what the transport promises; here it is less than the call grace, because the machine may be busy.
GAP_S = 0.2


@pytest.fixture
def duo(make_lab):
    """Two nodes, two links; b has a file, a has links to it by every policy."""
    lab = make_lab("a", "b", links=2)
    lab.exec("b", "head -c 3M /dev/urandom >/tmp/data", plain=True, check=True)
    lab.exec("a", "mkdir -p /remote; for p in exclusive preferred; do for l in en0 en1; do "
                  "ln -s /net/b~$p:$l /remote/$p-$l; done; done; ln -s /net/b~redundant /remote/redundant",
             plain=True, check=True)
    return lab


def carried(lab, node):
    """{link: bytes sent in sessions} on that node."""
    shown = json.loads(lab.exec(node, ["qnet", "links", "--json"], plain=True, check=True).stdout)
    return {path["link"]: path["bytes_sent"] for path in shown}


def is_every_path_up(lab):
    shown = [lab.exec(node, ["qnet", "links", "--json"], plain=True, check=True).stdout for node in ("a", "b")]
    return all(path["state"] == "up" for links in shown for path in json.loads(links))


def used(lab, node, action):
    """{link: bytes} that `node` sends during the action."""
    before = carried(lab, node)
    action()
    return {link: count - before[link] for link, count in carried(lab, node).items()}


def test_a_symlink_with_a_policy_uses_its_link_in_both_directions(duo):
    def copy(path):
        duo.exec("a", f"cp {path}/tmp/data /tmp/copy && cp /tmp/copy {path}/tmp/back", check=True)

    for policy in ("exclusive", "preferred"):
        for link, other in (("en0", "en1"), ("en1", "en0")):
            for node in ("a", "b"):
                sent = used(duo, node, lambda where=f"/remote/{policy}-{link}": copy(where))
                assert sent[link] > 3 << 20 and sent[other] < 1 << 16, (policy, link, node, sent)
    copy("/remote/redundant")
    assert duo.exec("b", "cmp /tmp/data /tmp/back", plain=True).status == 0


def test_exclusive_is_enetdown_while_its_link_is_cut_and_works_again_after(duo):
    started = duo.start("a", "exec 3</remote/exclusive-en1/tmp/data; while cat <&3 >/dev/null && "
                             "cat /remote/exclusive-en1/etc/hostname >/dev/null; do :; done")
    duo.exec("a", "cat /remote/exclusive-en1/tmp/data >/dev/null", check=True)
    cut_at = duo.cut("a-b:en1")
    failed = started.wait(timeout=10)
    assert time.monotonic() - cut_at < ERROR_WITHIN_S
    assert "Network is down" in failed.stderr
    before = time.monotonic()
    again = duo.exec("a", "cat /remote/exclusive-en1/tmp/data")
    assert "Network is down" in again.stderr and time.monotonic() - before < 0.5, "at once, now that it is known"
    assert duo.exec("a", "cmp /remote/exclusive-en0/tmp/data /remote/preferred-en1/tmp/data").status == 0
    assert duo.states("a")["b"] == "up"
    duo.link("a-b:en1", "heal")
    wait_until(lambda: duo.exec("a", "cat /remote/exclusive-en1/etc/hostname").status == 0, 5, "en1 works again")


def test_what_failed_with_its_exclusive_link_is_not_done_when_the_link_is_back(make_lab):
    # The link is believed in long enough for the request to be sent, and lost.
    lab = make_lab("a", "b", links=2, options=["--link-dead-after", "2s"])
    lab.exec("b", "touch /tmp/kept", plain=True, check=True)
    lab.exec("a", "test -e /net/b~exclusive:en1/tmp/kept", check=True)
    lab.link("a-b:en1", "cut")
    assert "Network is down" in lab.exec("a", "unlink /net/b~exclusive:en1/tmp/kept", timeout=10).stderr
    lab.link("a-b:en1", "heal")
    wait_until(lambda: lab.exec("a", "test -e /net/b~exclusive:en1/etc/hostname").status == 0, 5, "en1 works again")
    lab.exec("a", "test -e /net/b~exclusive:en1/tmp/kept", check=True)


def test_preferred_goes_on_when_its_link_is_cut_and_comes_back(duo):
    duo.exec("a", "cat /remote/preferred-en1/tmp/data >/dev/null", check=True)
    duo.link("a-b:en1", "cut")
    sent = used(duo, "b", lambda: duo.exec("a", "cat /remote/preferred-en1/tmp/data >/dev/null", check=True))
    assert sent["en0"] > 2 << 20
    duo.link("a-b:en1", "heal")

    def is_back():
        sent = used(duo, "b", lambda: duo.exec("a", "cat /remote/preferred-en1/tmp/data >/dev/null", check=True))
        return sent["en0"] < 1 << 20

    wait_until(is_back, 5, "the preferred link is used again")


#: Reads a hundred bytes a thousand times a second until told to stop; then the longest time between two answers.
CALLER = r"""
import os, select, sys, time
file = os.open("/net/b/tmp/data", os.O_RDONLY)
print("calling", flush=True)
longest, last = 0, time.monotonic()
while not select.select([0], [], [], 0.001)[0]:
    os.pread(file, 100, 4096)
    longest, last = max(longest, time.monotonic() - last), time.monotonic()
print(longest, flush=True)
"""


@pytest.mark.parametrize("verb, repair", [("cut", "heal"), ("cut-one-way", "heal"), ("down", "up")])
def test_losing_either_link_is_a_short_gap_and_no_error(duo, verb, repair):
    for link in ("en0", "en1"):
        caller = converse(duo, "a", CALLER)
        assert caller.read_line() == "calling\n"
        sent = carried(duo, "a")
        duo.link(f"a-b:{link}", verb)
        other = "en1" if link == "en0" else "en0"
        wait_until(lambda: carried(duo, "a")[other] > sent[other] + 50_000, 5, "calls go over the other link")
        caller.write_line()
        assert float(caller.read_line()) < GAP_S, link
        assert caller.wait().status == 0
        duo.link(f"a-b:{link}", repair)
        wait_until(lambda: is_every_path_up(duo), 5, "the link is used again")


#: Drops everything on en0, both ways, ten times for $1 seconds, with as long between them.
FLAPS = """
set -e
nft add table netdev flap
for hook in ingress egress; do
  nft "add chain netdev flap $hook { type filter hook $hook device \\"en0\\" priority 0; }"
done
for i in 1 2 3 4 5 6 7 8 9 10; do
  nft "add rule netdev flap ingress drop; add rule netdev flap egress drop"
  sleep $1
  nft "flush chain netdev flap ingress; flush chain netdev flap egress"
  sleep $1
done
nft delete table netdev flap
"""


@pytest.mark.parametrize("period", ["0.02", "0.05", "0.2"])
def test_a_link_that_flaps_costs_no_call(duo, period):
    caller = converse(duo, "a", CALLER)
    assert caller.read_line() == "calling\n"
    duo.exec("b", ["sh", "-c", FLAPS, "flaps", period], plain=True, check=True, timeout=30)
    caller.write_line()
    assert float(caller.read_line()) < GAP_S
    assert caller.wait().status == 0
    wait_until(lambda: is_every_path_up(duo), 15, "the link is used again, after a while")


def test_a_link_whose_rate_collapses_is_left_for_the_other(duo):
    for link in ("en0", "en1"):
        duo.link(f"a-b:{link}", "rate", "100mbit")
    caller = converse(duo, "a", CALLER)
    assert caller.read_line() == "calling\n"
    copying = duo.start("a", "while [ ! -e /tmp/enough ]; do cat /net/b/tmp/data; done >/dev/null")
    for link in ("en0", "en1"):
        duo.link(f"a-b:{link}", "rate", "1mbit")
        began = time.monotonic()
        duo.exec("a", "cmp /net/b/tmp/data /net/b~redundant/tmp/data", check=True)
        assert time.monotonic() - began < 5, "one link would take 50 s for this"
        duo.link(f"a-b:{link}", "rate", "100mbit")
    duo.exec("a", "touch /tmp/enough", plain=True, check=True)
    assert copying.wait(timeout=60).status == 0
    caller.write_line()
    assert float(caller.read_line()) < 1.0
    assert caller.wait().status == 0


def test_an_address_that_is_removed_and_comes_back_costs_no_call(duo):
    caller = converse(duo, "a", CALLER)
    assert caller.read_line() == "calling\n"
    duo.exec("a", "ip address delete 10.71.0.1/24 dev en0", plain=True, check=True)
    wait_until(lambda: not is_every_path_up(duo), 5, "the loss is noticed")
    sent = carried(duo, "a")
    wait_until(lambda: carried(duo, "a")["en1"] > sent["en1"] + 50_000, 5, "calls go over the other link")
    assert carried(duo, "a")["en0"] == sent["en0"], "nothing is tried where no address is"
    duo.exec("a", "ip address add 10.71.0.1/24 dev en0", plain=True, check=True)
    wait_until(lambda: is_every_path_up(duo), 5, "the link is used again")
    caller.write_line()
    assert float(caller.read_line()) < GAP_S
    assert caller.wait().status == 0


def test_an_agent_that_starts_without_its_addresses_works_when_they_come(make_lab):
    lab = make_lab("a", "b")
    lab.exec("b", "ip address delete 10.71.0.2/24 dev en0", plain=True, check=True)
    lab.agent("b", "restart")
    assert "en0 cannot be used yet: no such address here" in lab.log("b")
    assert lab.exec("a", "cat /net/b/etc/hostname").status != 0
    lab.exec("b", "ip address add 10.71.0.2/24 dev en0", plain=True, check=True)
    wait_until(lambda: lab.exec("a", "cat /net/b/etc/hostname").status == 0, 5, "the link works")


def test_a_wrong_policy_is_einval_also_while_the_link_is_down(duo):
    duo.link("a-b:en1", "cut")
    said = duo.exec("a", "ls /net/b~exclusive:en7; ls /net/b~redundant:en0; ls /net/b~; ls /net/b~loadbalance:").stderr
    assert said.count("Invalid argument") == 4, said
