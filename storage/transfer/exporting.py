"""Export of a whole database or of one table, in constant memory, while the server runs.

The connection is read-only and never checkpoints. An export of everything, of profiles or of sessions is one read
transaction: it sees one moment, and the write-ahead log grows until it ends. Events alone are read in ranges of their
numbers, one transaction each, so that the log can restart between two ranges. The result is still the state at the
start, because events are only added and later numbers are not read; events that are deleted meanwhile may be missing.
"""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from msgspec import Struct

from trackd.storage.closing import Closing
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.event_chain import LAST_NUMBER
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.transfer.records import FORMAT, RECORDS, VERSION, End, EventRecord, Header, Record, Row, line_of

RANGE = 512
# One SELECT with both aggregates would scan the whole table.
FIRST_AND_LAST = "SELECT (SELECT min(number) FROM event), (SELECT max(number) FROM event)"


class Part(Struct, frozen=True):
    """The part of a table that an export has, by default everything.

    Rows that changed at `since` or later, and before `until`. Events are selected by number too: those after `after`,
    up to `last`.
    """

    since: str | None = None
    until: str | None = None
    after: int = 0
    last: int = 2**63 - 1


EVERYTHING = Part()


def whole_export(last_number: int, records: Callable[[type[Record]], Iterable[Record]]) -> Generator[bytes, None, None]:
    """The lines of a whole export. `records` has those of a table; `last_number` is the highest one of an event."""
    counts = {}
    yield line_of(Header(FORMAT, VERSION, last_number)) + b"\n"
    for kind in RECORDS:
        counts[kind.table()] = 0
        for record in records(kind):
            counts[kind.table()] += 1
            yield line_of(record) + b"\n"
    yield line_of(End(counts)) + b"\n"


def refusal_of_row(store: object, record: type[Record], row: Row, error: Exception) -> str:
    """A sentence for a row that cannot be exported."""
    key = ", ".join(
        f"{name} {row[record.columns.index(name)]!r}" for name in ("number", "id") if name in record.columns
    )
    return f"{store} has a row in {record.table()} that is not as trackd writes them ({key}: {error}): mend it first."


class AnyExport(Protocol):
    """An open store. A generator that is not read to its end is closed before the export is."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def size(self, *records: type[Record]) -> int:
        """The number of rows that an export of these tables, by default all, has about now."""

    def lines(self) -> Generator[bytes, None, None]:
        """The lines of a whole export: a header, a record for each row, and the counts of the records."""

    def documents(self, record: type[Record], part: Part = EVERYTHING) -> Generator[bytes, None, None]:
        """The documents of a table, one on each line."""

    def rows(self, record: type[Record], part: Part = EVERYTHING) -> Generator[Row, None, None]:
        """The rows of a table, with all columns of the record."""

    def new_events(self, part: Part) -> Generator[Row, None, None]:
        """The number and the time of arrival of each event."""

    def last_number(self) -> int:
        """The highest number that an event has or had."""


class Export(Closing):
    """One database file, opened for reading; `older` is as for `ReadOnlyFile`. Raises DatabaseError."""

    def __init__(self, path: Path, older: Literal["copy", "refuse"] = "copy") -> None:
        self._path = path
        self._file = ReadOnlyFile(path, older=older)
        self._db = self._file.connection

    def close(self) -> None:
        self._file.close()

    def size(self, *records: type[Record]) -> int:
        """The number of rows that an export of these tables, by default all, has about now."""
        with self._file.errors():
            return sum(self._one(f"SELECT count(*) FROM {record.table()}") for record in records or RECORDS)

    def lines(self) -> Generator[bytes, None, None]:
        """The lines of a whole export: a header, a record for each row, and the counts of the records."""
        with self._one_moment():
            yield from whole_export(
                self._one(LAST_NUMBER),
                lambda record: (self._record(record, row) for row in self._rows(record, record.columns)),
            )

    def documents(self, record: type[Record], part: Part = EVERYTHING) -> Generator[bytes, None, None]:
        """The documents of a table, one on each line."""
        for row in self.rows(record, part):
            document: Any = self._record(record, row)
            yield line_of(document.document) + b"\n"

    def rows(self, record: type[Record], part: Part = EVERYTHING) -> Generator[Row, None, None]:
        """The rows of a table, with all columns of the record."""
        if record is EventRecord:
            yield from self._events(EventRecord.columns, part)
        else:
            with self._one_moment():
                yield from self._rows(record, record.columns, *_changed(record, part))

    def new_events(self, part: Part) -> Generator[Row, None, None]:
        """The number and the time of arrival of each event."""
        yield from self._events(("number", "inserted"), part)

    def last_number(self) -> int:
        """The highest number that an event has or had."""
        with self._file.errors():
            return self._one(LAST_NUMBER)

    @contextlib.contextmanager
    def _one_moment(self) -> Iterator[None]:
        with self._file.errors():
            self._db.execute("BEGIN")
            yield
            self._db.execute("ROLLBACK")

    def _rows(
        self, record: type[Record], columns: Sequence[str], where: str = "TRUE", *parameters: Any
    ) -> Iterator[Row]:
        sql = f"SELECT {', '.join(columns)} FROM {record.table()} WHERE {where} ORDER BY {record.order}"
        rows: Iterator[Row] = self._db.execute(sql, parameters)
        return rows

    def _events(self, columns: Sequence[str], part: Part) -> Iterator[Row]:
        where, *changed = _changed(EventRecord, part)
        in_range = f"{where} AND number > ? AND number <= ?"
        with self._file.errors():
            first, last = next(self._db.execute(FIRST_AND_LAST))
        if last is None:
            return
        last = min(last, part.last)
        for before in range(max(first - 1, part.after), last, RANGE):
            last_of_range = min(before + RANGE, last)
            with self._file.errors():
                rows = list(
                    self._rows(EventRecord, columns, in_range, *changed, before, last_of_range)
                )  # all of them: this ends the read transaction
            yield from rows

    def _record(self, record: type[Record], row: Row) -> Record:
        try:
            return record.of_row(row)
        except (TypeError, ValueError) as error:
            raise DatabaseError(refusal_of_row(self._path, record, row, error)) from error

    def _one(self, sql: str) -> int:
        value: int = self._db.execute(sql).get
        return value


def _changed(record: type[Record], part: Part) -> tuple[str, ...]:
    """A condition of SQL, and its parameters."""
    bounds = {">=": part.since, "<": part.until}
    given = {operator: time for operator, time in bounds.items() if time is not None}
    return " AND ".join(["TRUE", *(f"{record.changed} {operator} ?" for operator in given)]), *given.values()
