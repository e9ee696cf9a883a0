# SPDX-License-Identifier: Apache-2.0
"""An SQLite data base with a rollback journal."""
import os
import sqlite3

from say import D

base = sqlite3.connect(D + "/base.db", isolation_level=None)
print(base.execute("pragma journal_mode=delete").fetchall())
base.execute("create table t(id integer primary key, v text)")
base.execute("begin")
base.executemany("insert into t(v) values(?)", [(f"v{i}",) for i in range(500)])
base.execute("commit")
base.execute("create index i on t(v)")
base.execute("begin")
base.execute("pragma cache_size=2")
base.execute("update t set v = v || hex(zeroblob(500))")
print(sorted(name for name in os.listdir(D) if name.startswith("base")))
base.execute("rollback")
print(base.execute("select count(*), max(v), min(v) from t").fetchall(),
      base.execute("pragma integrity_check").fetchall())
base.execute("vacuum")
base.execute(f"attach '{D}/second.db' as s")
base.execute("create table s.u as select * from t where id < 10")
other = sqlite3.connect(D + "/base.db", timeout=0, isolation_level=None)
base.execute("begin immediate")
base.execute("insert into t(v) values('unseen')")
try:
    other.execute("begin immediate")
except sqlite3.OperationalError as error:
    print(error)
print(other.execute("select count(*) from t").fetchall())
base.execute("commit")
print(other.execute("select count(*) from t").fetchall())
with sqlite3.connect(":memory:") as memory:
    base.backup(memory)
    print(memory.execute("select sum(id) from t").fetchall())
with sqlite3.connect(D + "/copy.db") as copy:
    base.backup(copy)
print(sqlite3.connect(f"file:{D}/copy.db?mode=ro", uri=True).execute("select count(*) from t").fetchall())
for path in ("/missing/x.db", "/dir", "/locked/new.db", "/file"):
    try:
        print(sqlite3.connect(D + path).execute("pragma schema_version").fetchall())
    except sqlite3.DatabaseError as error:
        print(error)
