import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from apsw import Connection

from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.event_chain import COLUMNS as EVENT_COLUMNS


@pytest.fixture
def db() -> Iterator[Connection]:
    db = Connection(":memory:")
    db.execute("CREATE TABLE t (number INTEGER PRIMARY KEY, id TEXT NOT NULL, value)")
    db.execute("CREATE TABLE k (id TEXT PRIMARY KEY, value)")
    yield db
    db.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 255, 511, 512, 513, 1543])
def test_any_number_of_rows_arrives_whole_and_in_order(db: Connection, count: int) -> None:
    rows = [(f"id{n}", n) for n in range(count)]

    BulkInsert("t", ("id", "value")).run(db, rows)

    assert db.execute("SELECT id, value FROM t ORDER BY number").fetchall() == rows


def test_values_keep_their_types(db: Connection) -> None:
    values = [None, 0, 1.5, "text", b"\x00bytes", "1", 2**63 - 1]

    BulkInsert("t", ("id", "value")).run(db, [(f"id{n}", value) for n, value in enumerate(values)])

    assert [row[0] for row in db.execute("SELECT value FROM t ORDER BY number")] == values


def test_the_conflict_clause_applies_within_a_batch_too(db: Connection) -> None:
    upsert = BulkInsert("k", ("id", "value"), "ON CONFLICT (id) DO UPDATE SET value = excluded.value")

    upsert.run(db, [("a", 1), ("b", 1)])
    upsert.run(db, [("b", 2), ("c", 2), ("c", 3)])

    assert db.execute("SELECT id, value FROM k ORDER BY id").fetchall() == [("a", 1), ("b", 2), ("c", 3)]


def test_without_a_clause_a_conflict_is_an_error(db: Connection) -> None:
    insert = BulkInsert("k", ("id", "value"))

    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        insert.run(db, [("a", 1), ("b", 1), ("a", 2)])


def test_many_rows_take_few_statements(db: Connection) -> None:
    BulkInsert("t", ("id", "value")).run(db, [(f"id{n}", n) for n in range(2047)])

    assert db.cache_stats()["misses"] + db.cache_stats()["hits"] <= 70


@pytest.mark.parametrize("columns", [EVENT_COLUMNS, ("id", "seq")])
def test_each_statement_is_prepared_once(db: Connection, columns: Sequence[str]) -> None:
    db.execute(f"CREATE TABLE e ({', '.join(columns)})")
    insert = BulkInsert("e", columns)
    insert.run(db, [["x"] * len(columns)] * 2_047)
    before = db.cache_stats()

    insert.run(db, [["x"] * len(columns)] * 2_047)

    assert db.cache_stats()["misses"] == before["misses"]
    assert db.cache_stats()["no_cache"] == before["no_cache"]


ALLOCATED = """
import apsw
from trackd.storage.sqlite.bulk import SIZES, BulkInsert, reserve_memory
from trackd.storage.sqlite.event_chain import COLUMNS
reserve_memory()
db = apsw.Connection(":memory:")
db.execute(f"CREATE TABLE e ({', '.join(COLUMNS)})")
insert = BulkInsert("e", COLUMNS)
for _ in range(3):
    insert.run(db, [("x" * 36,) * 13 + (None,) * (len(COLUMNS) - 13)] * SIZES[0])
    print(db.status(apsw.SQLITE_DBSTATUS_LOOKASIDE_MISS_FULL, reset=True)[1], apsw.memory_used())
"""


def test_the_values_of_a_statement_have_room_in_the_reserved_memory() -> None:
    found = subprocess.run([sys.executable, "-c", ALLOCATED], capture_output=True, text=True, check=True)

    assert found.stdout.splitlines()[1:] == ["0 0"] * 2, "allocated, and counted bytes"
