# SPDX-License-Identifier: Apache-2.0
"""Are the lab's links what tests/lab --help says? With agents that only pretend."""
import json
import os

import pytest

from fake_lab import can_reach, duo, fake_build, make_fake_lab, plain  # noqa: F401 (fixtures)
from harness import LabFailed, wait_until


def test_links_have_the_promised_addresses_and_work(duo):
    said = plain(duo, "b", "ip -4 -o addr show").stdout
    for part in ("en0    inet 10.71.0.2/24", "en1    inet 10.71.1.2/24", "lo    inet 127.0.0.1/8"):
        assert part in said
    assert can_reach(duo, "a", "10.71.0.2") and can_reach(duo, "b", "10.71.1.1")


def test_carrier_is_there_at_once(duo):
    """Interface numbers of the two ends differ; else the kernel would take up to a second to notice."""
    duo.link("b-a:en0", "down")
    wait_until(lambda: "NO-CARRIER" in plain(duo, "a", "ip link show en0").stdout, timeout=0.5, what="a lost carrier")
    duo.link("b-a:en0", "up")
    assert can_reach(duo, "a", "10.71.0.2")


def test_a_cut_link_is_silent_both_ways_and_heals(duo):
    duo.link("a-b:en1", "cut")
    assert not can_reach(duo, "a", "10.71.1.2", 0.3) and not can_reach(duo, "b", "10.71.1.1", 0.3)
    assert can_reach(duo, "a", "10.71.0.2")
    assert "NO-CARRIER" not in plain(duo, "a", "ip link show en1").stdout
    duo.link("a-b:en1", "heal")
    assert can_reach(duo, "a", "10.71.1.2") and can_reach(duo, "b", "10.71.1.1")


def send(lab, packets, address="10.71.0.1", size=1):
    """How many of so many datagrams from a arrive at b. (33 is SO_RCVBUFFORCE.)"""
    receiver = lab.start("b", ["/usr/bin/python3", "-IS", "-c", "import socket,sys\n"
                               "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('', 7)); s.settimeout(5)\n"
                               "s.setsockopt(socket.SOL_SOCKET,33,1<<24)\n"
                               "print('ready',flush=True); n=0\nwhile s.recv(99)!=b'end': n+=1\nprint(n)"], plain=True)
    assert os.read(receiver.process.stdout.fileno(), 6) == b"ready\n"
    plain(lab, "a", ["/usr/bin/python3", "-IS", "-c", "import socket,sys\n"
                     "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); to=(sys.argv[1], 7)\n"
                     "for i in range(int(sys.argv[2])): s.sendto(b'x'*int(sys.argv[3]),to)\n"
                     "for i in range(50): s.sendto(b'end',to)",  # Not connected: the receiver is gone after the first.
                     address, str(packets), str(size)], check=True)
    return int(receiver.wait().stdout)


def test_loss_loses_about_its_share(duo):
    duo.link("a-b:en0", "loss", "10%")
    arrived = send(duo, 5000, "10.71.0.2")
    duo.link("a-b:en0", "clear")
    assert 4200 < arrived < 4800
    assert send(duo, 5000, "10.71.0.2") == 5000


def test_a_hole_swallows_large_packets_only(duo):
    duo.link("a-b:en0", "mtu-hole", "1300")
    assert send(duo, 10, "10.71.0.2", size=1300 - 28) == 10
    assert send(duo, 10, "10.71.0.2", size=1301 - 28) == 0
    duo.link("a-b:en0", "clear")
    assert send(duo, 10, "10.71.0.2", size=1301 - 28) == 10


def rate_mbit(lab, address):
    server = lab.start("b", ["iperf3", "-s", "-1"], plain=True)
    wait_until(lambda: plain(lab, "b", "ss -Hltn sport = :5201").stdout, what="iperf3 listens")
    client = plain(lab, "a", ["iperf3", "-J", "-C", "cubic", "-t", "1", "-c", address], check=True)
    server.wait()
    return json.loads(client.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6


@pytest.mark.slow
def test_rate_limits_and_clear_frees(duo):
    duo.link("a-b:en1", "rate", "50mbit")
    limited = rate_mbit(duo, "10.71.1.2")
    duo.link("a-b:en1", "rate", "20mbit")
    changed = rate_mbit(duo, "10.71.1.2")
    duo.link("a-b:en1", "clear")
    assert 35 < limited < 55 and 13 < changed < 23
    assert rate_mbit(duo, "10.71.1.2") > 500


def test_wrong_links_are_refused(duo):
    for words in (["a-b:en7", "cut"], ["a-z:en0", "cut"], ["a-a:en0", "cut"], ["a-b:en0", "rate", "fast"],
                  ["a-b:en0", "loss", "120%"], ["a-b:en0", "mtu-hole", "0"], ["a-b:en0", "mtu-hole"],
                  ["a-b:en0", "rate"], ["a-b:en0", "melt"]):
        with pytest.raises(LabFailed):
            duo.link(*words)


@pytest.mark.slow
def test_three_nodes_share_each_link(make_fake_lab):
    lab = make_fake_lab("a", "b", "c-1", link_names=["hs0", "hs1"])
    for node, address in (("a", "10.71.0.3"), ("c-1", "10.71.1.2"), ("b", "10.71.0.1")):
        assert can_reach(lab, node, address)
    lab.link("a-c-1:hs0", "cut")
    assert not can_reach(lab, "a", "10.71.0.3", 0.3) and not can_reach(lab, "c-1", "10.71.0.1", 0.3)
    assert can_reach(lab, "a", "10.71.0.2") and can_reach(lab, "b", "10.71.0.3") and can_reach(lab, "a", "10.71.1.3")
    lab.link("a-c-1:hs0", "rate", "10mbit")
    lab.link("a-c-1:hs0", "loss", "50%")
    lab.link("a-c-1:hs0", "clear")
    assert can_reach(lab, "a", "10.71.0.3")
    assert "--link hs1=udp:10.71.1.3" in lab.log("c-1") and "--peer a=hs0@10.71.0.1,hs1@10.71.1.1" in lab.log("c-1")


@pytest.mark.slow
def test_a_rate_between_two_of_three_leaves_the_third_alone(make_fake_lab):
    lab = make_fake_lab("a", "b", "c")
    lab.link("a-b:en0", "rate", "20mbit")
    assert 13 < rate_mbit(lab, "10.71.0.2") < 23
    lab.link("a-b:en0", "clear")
    lab.link("a-c:en0", "rate", "20mbit")
    assert rate_mbit(lab, "10.71.0.2") > 200
