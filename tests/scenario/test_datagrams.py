# SPDX-License-Identifier: Apache-2.0
"""Do files arrive whole over links that damage datagrams, or swallow the large ones?"""
import pytest

#: What the agents send must not reach the other node as one packet of the kernel.
SINGLY = "ip link set en0 gso_max_segs 1"

#: One byte of the payload is overwritten in a tenth of the packets; a veth does not look at UDP's checksum.
DAMAGE = """
table netdev damage {
  chain come_in {
    type filter hook ingress device "en0" priority 1;
    udp dport 8204 meta length > 200 numgen random mod 10 == 0 @th,1024,8 set 0x55
  }
}
"""


def make_pair(make_lab, **how):
    lab = make_lab("a", "b", **how)
    for node in ("a", "b"):
        lab.exec(node, SINGLY, plain=True, check=True)
    lab.exec("b", "head -c 3M /dev/urandom >/tmp/data", plain=True, check=True)
    return lab


def copy_both_ways(lab):
    lab.exec("a", "cp /net/b/tmp/data /tmp/copy && cp /tmp/copy /net/b/tmp/back", check=True)
    lab.exec("b", "cmp /tmp/data /tmp/back", plain=True, check=True)


def test_a_crc_keeps_damage_out(make_lab):
    lab = make_pair(make_lab, link_options="crc=on")
    for node in ("a", "b"):
        lab.exec(node, ["nft", "-f", "-"], plain=True, check=True, input=DAMAGE)
    copy_both_ways(lab)
    for node in ("a", "b"):
        assert lab.stats(node)["engine"]["datagrams_corrupt"] > 10


@pytest.mark.parametrize("hole", [1228, 1400])
def test_a_path_that_swallows_large_packets_is_used_with_small_ones(make_lab, hole):
    lab = make_pair(make_lab)
    copy_both_ways(lab)
    lab.link("a-b:en0", "mtu-hole", str(hole))
    copy_both_ways(lab)
    assert lab.states("a")["b"] == "up"


def test_a_smaller_mtu_of_the_interface_takes_effect_at_once(make_lab):
    lab = make_pair(make_lab)
    copy_both_ways(lab)
    for node in ("a", "b"):
        lab.exec(node, "ip link set en0 mtu 1300", plain=True, check=True)
    before = {node: lab.stats(node)["links"]["en0_send_errors"] for node in ("a", "b")}
    copy_both_ways(lab)
    assert {node: lab.stats(node)["links"]["en0_send_errors"] for node in ("a", "b")} == before
