"""Export of a whole database or of one table, in constant memory, while the server runs.

The connection is read-only and never checkpoints. An export of everything, of profiles or of sessions is one read
transaction: it sees one moment, and the write-ahead log grows until it ends. Events alone are read in ranges of their
numbers, one transaction each, so that the log can restart between two ranges. The result is still the state at the
start, because events are only added and later numbers are not read; events that are deleted meanwhile may be missing.
"""

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from sqlite_utils import Database

from trackd.storage.sqlite.connection import DatabaseError, database_errors
from trackd.storage.sqlite.database import open_for_reading
from trackd.storage.sqlite.event_chain import LAST_NUMBER
from trackd.storage.sqlite.schema import migrations
from trackd.storage.transfer.records import FORMAT, RECORDS, VERSION, End, EventRecord, Header, Record, Row, line_of

RANGE = 512
# One SELECT with both aggregates would scan the whole table.
FIRST_AND_LAST = "SELECT (SELECT min(number) FROM event), (SELECT max(number) FROM event)"


class Export:
    """One database file, opened for reading. Raises DatabaseError.

    A generator that is not read to its end is closed before the export is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_for_reading(path)
        with contextlib.ExitStack() as at_fault:
            at_fault.callback(self._db.close)
            with database_errors(path):
                pending = migrations.pending(Database(self._db))
            if pending:
                raise DatabaseError(
                    f"{path} was written by an older trackd (it lacks {', '.join(each.name for each in pending)}): "
                    "start `trackd serve` on it once to bring its tables up to date."
                )
            at_fault.pop_all()

    def __enter__(self) -> "Export":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def size(self, *records: type[Record]) -> int:
        """The number of rows that an export of these tables, by default all, has about now."""
        with database_errors(self._path):
            return sum(self._one(f"SELECT count(*) FROM {record.table()}") for record in records or RECORDS)

    def lines(self) -> Generator[bytes, None, None]:
        """The lines of a whole export: a header, a record for each row, and the counts of the records."""
        counts = {}
        with self._one_moment():
            yield line_of(Header(FORMAT, VERSION, self._one(LAST_NUMBER))) + b"\n"
            for record in RECORDS:
                counts[record.table()] = 0
                for row in self._rows(record):
                    counts[record.table()] += 1
                    yield line_of(self._record(record, row)) + b"\n"
        yield line_of(End(counts)) + b"\n"

    def documents(self, record: type[Record], since: str | None = None) -> Generator[bytes, None, None]:
        """The documents of a table, one on each line, or those that changed since a time."""
        for row in self.rows(record, since):
            document: Any = self._record(record, row)
            yield line_of(document.document) + b"\n"

    def rows(self, record: type[Record], since: str | None = None) -> Generator[Row, None, None]:
        """The rows of a table, with all columns of the record, or those that changed since a time."""
        if record is EventRecord:
            yield from self._events(since)
        else:
            with self._one_moment():
                yield from self._rows(record, *_changed(record, since))

    @contextlib.contextmanager
    def _one_moment(self) -> Iterator[None]:
        with database_errors(self._path):
            self._db.execute("BEGIN")
            yield
            self._db.execute("ROLLBACK")

    def _rows(self, record: type[Record], where: str = "", *parameters: Any) -> Iterator[Row]:
        columns = ", ".join(record.columns)
        sql = f"SELECT {columns} FROM {record.table()} {where} ORDER BY {record.order}"
        rows: Iterator[Row] = self._db.execute(sql, parameters)
        return rows

    def _events(self, since: str | None) -> Iterator[Row]:
        where, *changed = _changed(EventRecord, since)
        in_range = f"{where or 'WHERE TRUE'} AND number > ? AND number <= ?"
        with database_errors(self._path):
            first, last = self._db.execute(FIRST_AND_LAST).fetchone()
        for before in range(first - 1, last, RANGE) if last else ():
            last_of_range = min(before + RANGE, last)
            with database_errors(self._path):
                rows = list(
                    self._rows(EventRecord, in_range, *changed, before, last_of_range)
                )  # all of them: this ends the read transaction
            yield from rows

    def _record(self, record: type[Record], row: Row) -> Record:
        try:
            return record.of_row(row)
        except (TypeError, ValueError) as error:
            self._refuse(record, row, error)

    def _refuse(self, record: type[Record], row: Row, error: Exception) -> NoReturn:
        key = ", ".join(
            f"{name} {row[record.columns.index(name)]!r}" for name in ("number", "id") if name in record.columns
        )
        raise DatabaseError(
            f"{self._path} has a row in {record.table()} that is not as trackd writes them ({key}: {error}): "
            "mend it first."
        ) from error

    def _one(self, sql: str) -> int:
        value: int = self._db.execute(sql).fetchone()[0]
        return value


def _changed(record: type[Record], since: str | None) -> tuple[str, ...]:
    return ("",) if since is None else (f"WHERE {record.changed} >= ?", since)
