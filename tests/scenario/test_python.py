# SPDX-License-Identifier: Apache-2.0
"""Debian's Python 3 finds another node's files as it finds its own."""
import pytest

from side_by_side import MAPPED, PROGRAMS, same, same_program

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", [{}, {"env": MAPPED}, {"user": "1000", "more": "chown -hR 1000 $D\n"}],
                         ids=["root", "mapped", "user"])
def test_os_calls(lab, how):
    same_program(lab, "python_os", **how)


def test_modules_that_work_on_files(lab):
    same_program(lab, "python_modules", compare_trees=False)


def test_children_threads_and_pools(lab):
    same_program(lab, "python_processes", compare_trees=False)


def test_sqlite_with_a_rollback_journal(lab):
    same(lab, [f"python3 -B {PROGRAMS}/sqlite_base.py; ls $D", r"""
        sqlite3 $D/base.db 'insert into t(v) values(7)' 'select count(*), max(id) from t' .schema
        sqlite3 $D/base.db .dump | sqlite3 $D/restored.db; sqlite3 $D/restored.db 'select count(*) from t'; ls $D
        sqlite3 $D/csv.db '.mode csv' '.import '$D'/dir/lines l' 'select * from l'; sqlite3 $D/dir .tables
    """], compare_trees=False)


INSERT = r"""
import sqlite3, sys
base = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
base.execute("pragma journal_mode=" + sys.argv[3])
sys.stdin.readline()
for i in range(60):
    base.execute("begin immediate")
    base.execute("insert into t values(?, ?)", (sys.argv[2], i))
    base.execute("update sum set n = n + 1")
    base.execute("commit")
"""


@pytest.mark.parametrize("journal", ["delete", pytest.param("truncate", marks=pytest.mark.slow),
                                     pytest.param("persist", marks=pytest.mark.slow)])
def test_two_nodes_write_one_sqlite_data_base(lab, journal):
    """Each transaction reads what the other node has written; a lost lock or a stale page shows in the sum."""
    there, here = "/net/b/tmp/two.db", "/tmp/two.db"
    schema = "create table t(who, i); create table sum(n); insert into sum values(0)"
    lab.exec("b", f"rm -f {here}*; sqlite3 {here} '{schema}'", plain=True, check=True)
    writers = [lab.start(node, ["python3", "-c", INSERT, path, who, journal], plain=node == "b")
               for node, path, who in (("a", there, "a1"), ("a", there, "a2"), ("b", here, "b1"))]
    for writer in writers:
        writer.process.stdin.write(b"go\n")
        writer.process.stdin.flush()
    for writer in writers:
        result = writer.wait(timeout=60)
        assert result.status == 0, result.stderr
    for node, path in (("a", there), ("b", here)):
        told = lab.exec(node, ["sqlite3", path, "pragma integrity_check; select count(*) from t; select n from sum;"
                               "select who, count(distinct i) from t group by who"], plain=node == "b", check=True)
        assert told.stdout.split() == ["ok", "180", "180", "a1|60", "a2|60", "b1|60"]
