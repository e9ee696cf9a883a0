# SPDX-License-Identifier: Apache-2.0
"""`qnet nodes|links|ping` tell an operator how the nodes are, and why one does not answer; all of it as JSON, too."""
import json
import signal
import time

from conversation import Conversation
from harness import wait_until


def qnet(lab, words, node="a"):
    return lab.exec(node, ["qnet", *words.split()], plain=True)


def nodes(lab):
    return {one["name"]: one for one in json.loads(qnet(lab, "nodes --json").stdout)}


def test_links_shows_every_way_to_every_peer(make_lab):
    lab = make_lab("a", "b", links=2)
    lab.exec("b", "head -c 3000000 /dev/zero >/tmp/big", plain=True)
    lab.exec("a", "cat /net/b~preferred:en0/tmp/big >/dev/null", check=True)
    ways = {one["link"]: one for one in json.loads(qnet(lab, "links --json").stdout)}
    assert set(ways) == {"en0", "en1"}
    for name, address in (("en0", "10.71.0.2"), ("en1", "10.71.1.2")):
        way = ways[name]
        assert (way["node"], way["state"]) == ("b", "up")
        assert way["address"].startswith(address)
        assert 0 < way["round_trip_us"] < 1_000_000
        assert 0 <= way["loss"] <= 1
    assert sum(way["bytes_received"] for way in ways.values()) > 3_000_000
    lab.link("a-b:en1", "cut")
    wait_until(lambda: {"en0": "up", "en1": "down"} == {
        one["link"]: one["state"] for one in json.loads(qnet(lab, "links --json").stdout)}, 10, "en1 is down")
    table = qnet(lab, "links").stdout.splitlines()
    assert table[0].split()[:4] == ["NODE", "LINK", "ADDRESS", "STATE"]
    assert [line.split()[:2] + line.split()[3:4] for line in table[1:]] == [["b", "en0", "up"], ["b", "en1", "down"]]


def test_ping_measures_the_way_through_both_agents(lab):
    report = json.loads(qnet(lab, "ping b -c 3 --json").stdout)
    assert (report["node"], report["sent"], report["answered"]) == ("b", 3, 3)
    assert all(0 < one < 5_000_000 for one in report["times_us"])
    shown = qnet(lab, "ping b~preferred:en0 -c 2")
    assert shown.status == 0
    assert len(shown.stdout.splitlines()) == 3
    assert "2 sent, 2 answered, 0% loss; min" in shown.stdout and "average" in shown.stdout
    assert len(qnet(lab, "ping b --count 1").stdout.splitlines()) == 2
    assert report["min_us"] <= report["average_us"] <= report["max_us"] and report["loss"] == 0
    unknown = qnet(lab, "ping nosuch")
    assert (unknown.status, unknown.stdout, unknown.stderr) == (1, "", "qnet: nosuch: no such node\n")
    assert qnet(lab, "ping").status == 2
    assert qnet(lab, "ping b -c 0").status == 2


def test_ping_goes_on_after_a_loss_and_succeeds_if_one_answer_came(make_lab):
    lab = make_lab("a", "b")
    ping = Conversation(lab.start("a", ["qnet", "ping", "b", "--count", "40"], plain=True))
    assert ping.read_line().startswith("answer from b: 1, ")
    lab.signal_agent("b", signal.SIGKILL)
    line = next(line for line in iter(ping.read_line, "") if not line.startswith("answer"))
    assert line.startswith("no answer from b: ") and line.endswith(", Host is down\n")
    lab.agent("b", "restart")
    next(line for line in iter(ping.read_line, "") if line.startswith("answer"))
    ended = ping.wait()
    assert ended.status == 0, "as ping(8)"
    assert "40 sent" in ended.stdout and " 0% loss" not in ended.stdout


def test_stats_count_what_the_transport_repeats_and_how_late_the_agent_was(make_lab):
    lab = make_lab("a", "b", links=2)
    before = lab.stats("a")["engine"]
    lab.link("a-b:en1", "cut")
    wait_until(lambda: lab.stats("a")["engine"]["paths_down"] > before["paths_down"], 10, "a path went down")
    after = lab.stats("a")["engine"]
    assert after["probe_timeouts"] > before["probe_timeouts"]
    assert after["wakes"] > before["wakes"]
    late = [after[f"wakes_late_{bound}ms"] for bound in (1, 5, 20, 100)]
    assert late == sorted(late, reverse=True) and after["wakes"] >= late[0]


def test_nodes_and_ping_say_why_a_peer_does_not_answer_and_since_when(make_lab):
    lab = make_lab("a", "b", options=["--peer", "ghost=en0@10.71.0.77"])
    assert nodes(lab)["ghost"]["reason"] == "never heard"
    assert "ghost does not answer: never heard since 20" in qnet(lab, "ping ghost").stderr

    def goes(reason, before):
        wait_until(lambda: nodes(lab)["b"]["state"] == "down", 5, "b is down")
        shown = nodes(lab)["b"]
        assert shown["reason"] == reason
        assert before - 1 <= shown["since"] <= time.time() + 1
        refused = qnet(lab, "ping b")
        assert refused.status == 1
        assert refused.stderr.startswith(f"qnet: b does not answer: {reason} since 20")
        line = next(line for line in qnet(lab, "nodes").stdout.splitlines() if line.startswith("b "))
        assert line.split()[1] == "down" and line.endswith(f"s  {reason}")

    began = time.time()
    lab.link("a-b:en0", "cut")
    goes("silent", began)
    lab.link("a-b:en0", "heal")
    lab.wait_seen("a", "b")
    began = time.time()
    lab.agent("b", "kill")
    goes("refused", began)
    lab.agent("b", "restart")
    lab.wait_seen("a", "b")
    began = time.time()
    lab.exec("b", "kill -TERM $(pidof qnetd)", plain=True)
    goes("goodbye", began)
