from collections.abc import Iterator
from typing import Any

import pytest
from sqlite_utils import Database

from trackd.storage.sqlite.bulk import BulkInsert


@pytest.fixture
def db() -> Iterator[Any]:
    db = Database(memory=True)
    db.execute("CREATE TABLE t (number INTEGER PRIMARY KEY, id TEXT NOT NULL, value)")
    db.execute("CREATE TABLE k (id TEXT PRIMARY KEY, value)")
    yield db
    db.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 255, 511, 512, 513, 1543])
def test_any_number_of_rows_arrives_whole_and_in_order(db: Database, count: int) -> None:
    rows = [(f"id{n}", n) for n in range(count)]

    BulkInsert("t", ("id", "value")).run(db.conn, rows)

    assert db.execute("SELECT id, value FROM t ORDER BY number").fetchall() == rows


def test_values_keep_their_types(db: Database) -> None:
    values = [None, 0, 1.5, "text", b"\x00bytes", "1", 2**63 - 1]

    BulkInsert("t", ("id", "value")).run(db.conn, [(f"id{n}", value) for n, value in enumerate(values)])

    assert [row[0] for row in db.execute("SELECT value FROM t ORDER BY number")] == values


def test_the_conflict_clause_applies_within_a_batch_too(db: Database) -> None:
    upsert = BulkInsert("k", ("id", "value"), "ON CONFLICT (id) DO UPDATE SET value = excluded.value")

    upsert.run(db.conn, [("a", 1), ("b", 1)])
    upsert.run(db.conn, [("b", 2), ("c", 2), ("c", 3)])

    assert db.execute("SELECT id, value FROM k ORDER BY id").fetchall() == [("a", 1), ("b", 2), ("c", 3)]


def test_without_a_clause_a_conflict_is_an_error(db: Database) -> None:
    insert = BulkInsert("k", ("id", "value"))

    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        insert.run(db.conn, [("a", 1), ("b", 1), ("a", 2)])


def test_many_rows_take_few_statements(db: Database) -> None:
    statements: list[str] = []
    db.conn.set_trace_callback(statements.append)

    BulkInsert("t", ("id", "value")).run(db.conn, [(f"id{n}", n) for n in range(2047)])

    assert sum(statement.startswith("INSERT") for statement in statements) < 20
