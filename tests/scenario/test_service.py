# SPDX-License-Identifier: Apache-2.0
"""The agent as a service: what its log, its configuration file, its limits and the `qnet` command do for an operator."""
import re


def requests_in(log, word):
    """{request id: operation} of the lines that begin a request."""
    return dict(re.findall(rf"debug {word}=(\S+) op=(\w+) ", log))


def test_one_id_follows_a_call_through_the_logs_of_both_nodes(make_lab):
    lab = make_lab("a", "b", options=["--log-level", "debug"])
    assert lab.exec("a", ["cat", "/net/b/etc/hostname"]).stdout == "b\n"
    asked, served = (requests_in(lab.log(node), word) for node, word in (("a", "request"), ("b", "serve request")))
    assert {"Open", "Read"} <= set(asked.values())
    assert served == asked
    for request in asked:
        assert f"reply request={request} error=0" in lab.log("a")
        assert f"served request={request} errno=0" in lab.log("b")
    assert lab.exec("b", ["cat", "/net/a/etc/hostname"]).stdout == "a\n"
    assert not set(requests_in(lab.log("b"), "request")) & set(asked), "the other node's ids are others"
