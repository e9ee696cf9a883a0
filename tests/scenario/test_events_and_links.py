# SPDX-License-Identifier: Apache-2.0
"""`qnet links` and `qnet events` tell what happens to links and nodes, in order, with reasons, to any number of
readers."""
import json
import signal
import time

from conversation import Conversation
from harness import wait_until


def follow(lab, *words):
    return Conversation(lab.start("a", ["qnet", "events", "--past", *words], plain=True))


class Reader:
    """Follows the events as JSON, from the first that the agent remembers."""

    def __init__(self, lab):
        self.lines = follow(lab, "--json")
        self.number = 0

    def read(self):
        event = json.loads(self.lines.read_line())
        assert event["number"] == self.number + 1, "none is missing, none comes twice"
        assert abs(time.time() - event["time"]) < 60
        self.number = event["number"]
        return event

    def read_to(self, *words, passing=()):
        """The event with these: subject, happened, link or reason. Before it come only suspicions, their ends, and what
        `passing` allows."""
        while True:
            event = self.read()
            found = {event["subject"], event["happened"], event.get("link"), event["reason"]}
            if found.issuperset(words):
                return event
            assert event["happened"] in {"suspect", "up", *passing}, event


def links(lab):
    shown = lab.exec("a", ["qnet", "links", "--json"], plain=True, check=True).stdout
    return {one["link"]: one for one in json.loads(shown)}


def test_readers_see_a_cut_its_end_and_the_death_of_a_node_in_order_with_reasons(make_lab):
    lab = make_lab("a", "b", links=2)
    readers = [Reader(lab), Reader(lab)]
    for reader in readers:
        reader.read_to("peer", "up")
        assert reader.number <= 3, "a link works, so the peer is up"
    wait_until(lambda: {one["state"] for one in links(lab).values()} == {"up"}, 10, "both links are up")

    lab.link("a-b:en1", "cut")
    for reader in readers:
        event = reader.read_to("link", "down", "en1")
        assert (event["node"], event["reason"]) == ("b", "silent")
        assert event["address"].startswith("10.71.1.2")
    lab.link("a-b:en1", "heal")
    for reader in readers:
        assert reader.read_to("link", "probing", "en1")["reason"] == "silent"
        reader.read_to("link", "up", "en1", passing=["probing"])

    lab.signal_agent("b", signal.SIGKILL)
    for reader in readers:
        reader.read_to("link", "down", "refused")
        assert reader.read_to("peer", passing=["down"])["happened"] == "lost"
        event = reader.read_to("session", passing=["down"])
        assert (event["happened"], event["node"]) == ("held", "b")
    lab.agent("b", "restart")
    for reader in readers:
        reader.read_to("peer", "restarted", passing=["down", "probing"])
        assert reader.read_to("session")["happened"] == "ended"
        reader.read_to("peer", "up", passing=["probing", "down"])

    lab.exec("b", "kill -TERM $(pidof qnetd)", plain=True)
    for reader in readers:
        reader.read_to("peer", "lost", "goodbye", passing=["down", "probing"])
        reader.lines.running.kill()


def test_a_session_that_nobody_comes_back_to_expires(make_lab):
    lab = make_lab("a", "b", options=["--session-hold", "500ms"])
    reader = Reader(lab)
    lab.link("a-b:en0", "cut")
    reader.read_to("peer", "lost", "silent", passing=["down"])
    held = reader.read_to("session", "held")
    assert 0.4 < reader.read_to("session", "expired")["time"] - held["time"] < 5


def test_events_end_with_their_reader_or_by_a_signal(lab):
    qnet = f"{lab.build}/bin/qnet"
    piped = lab.exec("a", f"set -o pipefail; {qnet} events --past | head -1", plain=True, timeout=10)
    assert (piped.status, piped.stderr) == (128 + signal.SIGPIPE, "")
    assert piped.stdout.split()[2:4] in (["link", "up"], ["peer", "up"])
    reader = Conversation(lab.start("a", f"echo $$; exec {qnet} events --past", plain=True))
    process = reader.read_line().strip()
    reader.read_line()
    lab.exec("a", ["kill", "-INT", process], plain=True, check=True)
    ended = reader.wait(timeout=10)
    assert (ended.status, ended.stderr) == (128 + signal.SIGINT, "")


def test_links_tell_state_age_and_reason_and_that_a_link_must_prove_itself(make_lab):
    lab = make_lab("a", "b", links=2)
    wait_until(lambda: {one["state"] for one in links(lab).values()} == {"up"}, 10, "both links are up")
    good = links(lab)["en1"]
    assert (good["reason"], good["downs"], good["hold_ms"]) == ("", 0, 0)
    assert good["in_flight_bytes_max"] > 0 and good["unsent_bytes"] == 0
    began = time.time()
    lab.link("a-b:en1", "cut")
    bad = wait_until(lambda: next((one for one in links(lab).values() if one["state"] == "down"), None), 10, "down")
    assert (bad["link"], bad["reason"], bad["downs"]) == ("en1", "silent", 1)
    assert bad["hold_ms"] == 200, "it must prove itself before it is used again"
    assert began - 1 <= bad["since"] <= time.time() + 1
    table = lab.exec("a", ["qnet", "links"], plain=True, check=True).stdout.splitlines()
    assert table[2].split()[3] == "down" and table[2].endswith("silent, must answer for 200 ms")
    lab.link("a-b:en1", "heal")
    back = wait_until(lambda: links(lab)["en1"] if links(lab)["en1"]["state"] == "up" else None, 10, "up again")
    assert (back["downs"], back["hold_ms"]) == (1, 0)
