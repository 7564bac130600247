"""Rows of the small tables on which all calls depend: one that is damaged is left out, and the others are read."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct, convert, to_builtins

from trackd.storage.sqlite.connection import SQLITE_ERRORS, Connection, rows_by_name
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Struct)
FAULTS = (TypeError, ValueError, AttributeError, LookupError)


class SoundRows(Generic[T]):
    """The documents of a table. `key` is the column that names a row, `document` makes a document of one."""

    def __init__(self, table: str, key: str, document: Callable[[Mapping[str, Any]], T]) -> None:
        self._table = table
        self._key = key
        self._document = document
        self._limited_log = RateLimitedLog()
        self.damaged: frozenset[str] = frozenset()
        """The keys of the rows that `read` left out last, as far as they can be read."""

    def read(self, connection: Connection) -> list[T]:
        """The documents in the order of their rows. Raises errors of SQLite when none can be read."""
        damaged: set[str] = set()
        documents = []
        for row in self._rows(connection, damaged):
            try:
                document = self._document(row)
                if convert(to_builtins(document), type(document)) != document:  # a struct takes any types
                    raise TypeError("a column has another type than its own")
                documents.append(document)
            except FAULTS as error:
                self._leave_out(row[self._key], error, damaged)
        self.damaged = frozenset(damaged)
        return documents

    def _rows(self, connection: Connection, damaged: set[str]) -> Iterator[Mapping[str, Any]]:
        try:
            yield from rows_by_name(connection, f"SELECT * FROM {self._table} ORDER BY rowid")
            return
        except SQLITE_ERRORS:
            numbers = connection.execute(f"SELECT rowid FROM {self._table} NOT INDEXED ORDER BY rowid").fetchall()
        for (number,) in numbers:
            try:
                yield from rows_by_name(connection, f"SELECT * FROM {self._table} WHERE rowid = ?", (number,))
            except SQLITE_ERRORS as error:
                self._leave_out(self._readable_key(connection, number), error, damaged)

    def _readable_key(self, connection: Connection, number: Any) -> object:
        try:
            return connection.execute(f"SELECT {self._key} FROM {self._table} WHERE rowid = ?", [number]).get
        except SQLITE_ERRORS:
            return f"in row {number}"

    def _leave_out(self, key: object, error: Exception, damaged: set[str]) -> None:
        damaged.add(str(key))
        if self._limited_log.due(key) is not None:
            # The error itself would keep its cursor, and with it an old state of the file, while a handler keeps it.
            log.error("the %s %s is left out, its row cannot be read: %s", self._table, key, str(error))
