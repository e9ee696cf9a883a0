# SPDX-License-Identifier: Apache-2.0
"""Many processes at once on one descriptor and on one tree: nothing lost, nothing torn, no handle left."""
import pytest

from side_by_side import PLACE, PREFIX, prepare

pytestmark = pytest.mark.slow

CHILDREN = 300
FILES = 2000


def test_300_background_children_of_a_shell_write_through_one_descriptor(lab):
    result = lab.exec("a", rf"""
        exec 3>/net/b/tmp/lines
        for i in $(seq {CHILDREN}); do echo "child $i says a line of its own" >&3 & done; wait
        echo last >&3; exec 3>&-; exec 3<>/net/b/tmp/lines; tail -n 1 <&3
    """, timeout=60)
    assert (result.stdout, result.stderr) == ("last\n", "")
    lines = lab.exec("b", ["cat", "/tmp/lines"], plain=True).stdout.splitlines()
    assert sorted(lines[:-1]) == sorted(f"child {i} says a line of its own" for i in range(1, CHILDREN + 1))


def test_300_background_children_of_a_shell_read_on_from_one_offset(lab):
    """Each takes 16 bytes; together they have read everything, and the shell goes on behind it."""
    lab.exec("b", f"for i in $(seq {CHILDREN}); do printf 'line %010d\\n' $i; done >/tmp/lines; echo last >>/tmp/lines",
             plain=True, check=True)
    result = lab.exec("a", rf"""
        exec 3</net/b/tmp/lines
        for i in $(seq {CHILDREN}); do head -c 16 <&3 & done; wait; cat <&3
    """, timeout=60)
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[-1] == "last"
    assert sorted(lines[:-1]) == [f"line {i:010}" for i in range(1, CHILDREN + 1)]


def test_many_run_a_remote_program_and_a_remote_script_at_once(lab):
    prepare(lab, "cp /bin/echo $D/; printf '#!/bin/sh\\necho script $1\\n' >$D/s; chmod +x $D/s\n", False)
    place = PREFIX + PLACE
    result = lab.exec("a", f"seq 150 | xargs -P16 -n1 {place}/echo program & seq 150 | xargs -P16 -n1 {place}/s; wait",
                      timeout=60)
    assert result.stderr == ""
    wanted = [f"{what} {i}" for what in ("program", "script") for i in range(1, 151)]
    assert sorted(result.stdout.splitlines()) == sorted(wanted)


@pytest.mark.slow
def test_xargs_runs_16_at_a_time_over_2000_remote_files(lab):
    prepare(lab, f"cd $D; mkdir $(seq 20); for i in $(seq {FILES}); do echo $i >$((i % 20 + 1))/$i; done\n", False)
    handles = lab.all_handles()
    sums = "find {} -type f | xargs -P16 -n1 sha256sum | sed 's,/net/b,,' | sort -k2"
    native = lab.exec("b", sums.format(PLACE), plain=True, timeout=60)
    remote = lab.exec("a", sums.format(PREFIX + PLACE), timeout=90)
    assert remote.stderr == ""
    assert len(remote.stdout.splitlines()) == FILES
    assert remote.stdout == native.stdout
    for node, count in handles.items():
        lab.wait_handles(node, count)
