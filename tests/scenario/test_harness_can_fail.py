# SPDX-License-Identifier: Apache-2.0
"""Would the comparison notice a difference? Each kind of difference is made on purpose and must be told."""
import pytest

from conftest import handles_are_back
from conversation import converse
from side_by_side import same


@pytest.mark.parametrize("command, told", [
    ('echo "$D" | wc -c', "stdout"),
    ('echo "$D" | wc -c >&2', "stderr"),
    ('case $D in /net/*) exit 3;; esac', "status: native 0, remote 3"),
    ('case $D in /net/*) echo more >>$D/file;; esac', "the trees afterwards"),
    ('case $D in /net/*) chmod 600 $D/file;; esac', "the trees afterwards"),
    ('case $D in /net/*) kill -9 $$;; esac', "did not finish"),
])
def test_a_difference_is_told(lab, command, told):
    with pytest.raises(AssertionError) as failure:
        same(lab, [command])
    assert told in str(failure.value)
    assert "$ " + command in str(failure.value) or told == "the trees afterwards"


def test_equal_sides_are_equal(lab):
    outcomes = same(lab, ["echo $D", "echo $D >&2; exit 7"])
    assert [outcome.status for outcome in outcomes] == [0, 7]


def test_a_handle_left_open_is_told(lab):
    before = lab.all_handles()
    holder = converse(lab, "a", 'import os; os.open("/net/b/etc/hostname", 0); print("open", flush=True); input()')
    assert holder.read_line() == "open\n"
    with pytest.raises(AssertionError, match=f"handles are back at .*'b': {before['b']}.*'b': {before['b'] + 1}"):
        handles_are_back(lab, before)
    holder.kill()


def test_the_sides_are_really_different_nodes(lab):
    assert lab.exec("a", ["hostname"]).stdout == "a\n"
    assert lab.exec("b", ["hostname"], plain=True).stdout == "b\n"
    lab.exec("b", ["touch", "/tmp/only-on-b"], plain=True)
    assert lab.exec("a", ["test", "-e", "/tmp/only-on-b"], plain=True).status == 1
    assert lab.exec("a", ["test", "-e", "/net/b/tmp/only-on-b"]).status == 0
