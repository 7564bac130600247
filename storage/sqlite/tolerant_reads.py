"""Reads rows of which some may have a text that is not UTF-8: a disk or another tool has damaged them.

Such a text is an error for SQLite's driver, and ends the query. Here the query then runs again, with texts as bytes.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from apsw import Cursor
from msgspec import Raw

from trackd.core.encoding import json_members
from trackd.storage.sqlite.connection import Connection
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

AS_BYTES = "iif(typeof({0}) = 'text', CAST({0} AS BLOB), {0})"
limited_log = RateLimitedLog()


class DamagedText(str):
    """A text that is not UTF-8, with other characters in the place of what cannot be read."""


class DamagedDocument(str):
    """What is in the place of a document that is no JSON object."""


FAULTS: dict[type, str] = {
    DamagedDocument: "document that is no JSON object",
    DamagedText: "text that is not UTF-8",
}


class TolerantReads:
    """A connection that hands over damaged texts as `DamagedText`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def execute(self, sql: str, parameters: Any = None) -> "TolerantRows":
        return TolerantRows(self.connection, sql, parameters)


class TolerantRows:
    """The rows of a query. Raises errors of SQLite."""

    def __init__(self, connection: Connection, sql: str, parameters: Any) -> None:
        self._rows = _read(connection, connection.execute(sql, parameters), sql, parameters)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return self._rows

    def __next__(self) -> Sequence[Any]:
        return next(self._rows)

    def fetchone(self) -> Sequence[Any] | None:
        return next(self._rows, None)

    @property
    def get(self) -> Any:
        """The first column of the first row, None without rows."""
        row = self.fetchone()
        return None if row is None else row[0]


def sound(rows: Iterable[Sequence[Any]], table: str) -> Iterator[Sequence[Any]]:
    """The rows without those with a damaged text, which are logged. Each row ends with its number."""
    for row in rows:
        damaged = {type(value) for value in row} & FAULTS.keys()
        if not damaged:
            yield row
        elif (number := limited_log.due(table)) is not None:
            log.error(
                "row %s of %s is left out of a list, it has a %s: `trackd verify` names all such rows (%d since the "
                "last such line)",
                row[-1],
                table,
                FAULTS[min(damaged, key=lambda kind: kind.__name__)],
                number,
            )


def with_documents(rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """The rows, of which each begins with a document, with `DamagedDocument` for those that are no JSON objects."""
    for row in rows:
        document, *others = row
        try:
            if type(document) is not DamagedText:
                json_members(Raw(document) if isinstance(document, bytes) else document)
        except (ValueError, RecursionError, TypeError):
            yield [DamagedDocument(), *others]
        else:
            yield row


def _read(connection: Connection, cursor: Cursor, sql: str, parameters: Any) -> Iterator[Sequence[Any]]:
    done = 0
    try:
        for row in cursor:
            done += 1
            yield row
        return
    except UnicodeDecodeError:
        width = len(cursor.get_description())
    # The first query has not ended: both read the same state of the file, and so have the same rows.
    for row in islice(_as_bytes(connection, sql, parameters, width), done, None):
        yield [_decoded(value) if isinstance(value, bytes) else value for value in row]


def _as_bytes(connection: Connection, sql: str, parameters: Any, width: int) -> Iterable[Sequence[Any]]:
    names = [f"c{number}" for number in range(width)]
    columns = ", ".join(map(AS_BYTES.format, names))
    return connection.execute(f"WITH found ({', '.join(names)}) AS ({sql}) SELECT {columns} FROM found", parameters)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return DamagedText(value.decode(errors="replace"))
