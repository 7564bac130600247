"""Reads all rows of a table that may be damaged, one after the other, in constant memory.

SQLite ends a query at a row that it cannot read, and a text that is not UTF-8 is an error for its driver. The reading
goes on behind such a row.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import apsw
from msgspec import Struct

from trackd.storage.audit.check import shown
from trackd.storage.sqlite.connection import Connection

ROWID = "rowid"
NOT_UTF_8 = "it has a text that is not UTF-8"
MAX_UNREADABLE = 1_000  # rows of a table; each of them begins the query anew
# A text as its bytes. In place of binary values stand numbers, which no column for texts may have either.
AS_BYTES = "iif(typeof({0}) = 'text', CAST({0} AS BLOB), iif(typeof({0}) = 'blob', 0.5, {0}))"


class Table(Struct, frozen=True):
    """A table with the columns to read. `order` is SQL, `place` are the columns that name a row for a person."""

    name: str
    columns: Sequence[str]
    order: str = ROWID
    place: Sequence[str] = ("id",)

    def place_of(self, row: Sequence[Any]) -> str:
        return " ".join(shown(row[self.columns.index(column)]) for column in self.place)


class Unreadable(Struct, frozen=True):
    """A row that cannot be read, or all rows behind a place."""

    place: str
    fault: str


def read_rows(db: Connection, table: Table) -> Iterator[Sequence[Any] | Unreadable]:
    """The rows in their order, each with the columns of the table."""
    done = unreadable = 0
    column = "{0}"
    while True:
        try:
            for row in _select(db, table, table.columns, column, done):
                done += 1
                yield row if column != AS_BYTES else _decoded(table, row)
            return
        except UnicodeDecodeError:
            column = AS_BYTES
        except apsw.Error as error:
            done += 1
            unreadable += 1
            place = _place(db, table, done - 1)
            if place is None or unreadable > MAX_UNREADABLE:
                yield Unreadable(f"behind row {done - 1}", f"the rows cannot be read: {error}")
                return
            yield Unreadable(place, f"it cannot be read: {error}")


def _select(db: Connection, table: Table, columns: Sequence[str], column: str, skipped: int, limit: int = -1) -> Any:
    selected = ", ".join(column.format(name) for name in columns)
    return db.execute(f"SELECT {selected} FROM {table.name} ORDER BY {table.order} LIMIT ? OFFSET ?", (limit, skipped))


def _decoded(table: Table, row: Sequence[Any]) -> Sequence[Any] | Unreadable:
    try:
        return [value.decode() if isinstance(value, bytes) else value for value in row]
    except UnicodeDecodeError:
        return Unreadable(table.place_of(row), NOT_UTF_8)


def _place(db: Connection, table: Table, skipped: int) -> str | None:
    """The name of a row whose other columns cannot be read; None if it cannot be reached at all."""
    for columns in (table.place, (ROWID,) if table.order == ROWID else ("1",)):
        try:
            [row] = _select(db, table, columns, AS_BYTES, skipped, limit=1).fetchall()
        except (apsw.Error, ValueError):
            continue
        return " ".join(map(shown, row)) if columns == table.place else f"row {shown(row[0])}"
    return None
