"""Import of an export into a database file, in one transaction and in constant memory.

Each line is checked when it is read; the transaction commits when the last line confirms the number of records. Events
keep their order and get numbers after those of the stored events.
"""

import contextlib
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from sqlite_utils.utils import sqlite3

from trackd.core.encoding import json_text
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.connection import database_errors
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.erasure import tombstone
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.transfer import version_1
from trackd.storage.transfer.event_check import EventCheck
from trackd.storage.transfer.fault import FaultError
from trackd.storage.transfer.records import (
    FORMAT,
    RECORDS,
    VERSION,
    End,
    ErasedRecord,
    EventRecord,
    Line,
    ProfileRecord,
    Record,
    Row,
    header_of,
    record_of,
)

MAX_LINE_BYTES = 64 * 2**20
BATCH_ROWS, BATCH_BYTES = 512, 8 * 2**20
TOMBSTONES = "SELECT hash FROM erased WHERE hash IN (SELECT value FROM json_each(?))"
PUT = {
    record: BulkInsert(record.table(), record.columns, "ON CONFLICT DO NOTHING" if record is ErasedRecord else "")
    for record in RECORDS
}


class LoadError(StoreError):
    """The file cannot be loaded: a sentence with its line and fault."""


def load(path: Path, file: BinaryIO, name: str, on_bytes: Callable[[int], None]) -> dict[str, int]:
    """Load what `Export.lines` wrote, and return how many rows of each table. `on_bytes` hears how much was read.

    Raises LoadError and DatabaseError; then the database is as it was, and not there if it was not.
    """
    with DatabaseLock(path):
        made = not path.exists()
        try:
            with contextlib.closing(open_for_writing(path)) as db, database_errors(path):
                return _Loading(db, file, name, on_bytes).run()
        except BaseException:
            if made:
                path.unlink(missing_ok=True)
            raise


class _Loading:
    def __init__(self, db: Any, file: BinaryIO, name: str, on_bytes: Callable[[int], None]) -> None:
        self._db = db
        self._file = file
        self._name = name
        self._on_bytes = on_bytes
        self._upgraded: Callable[[bytes], bytes] | None = None
        self._line = 0
        self._read_bytes = 0
        self._counts = {record.table(): 0 for record in RECORDS}

    def run(self) -> dict[str, int]:
        self._db.execute("BEGIN IMMEDIATE")
        self._events = EventCheck(self._db)
        try:
            self._read()
            self._db.execute("COMMIT")
        except FaultError as fault:
            line = fault.line or max(self._line, 1)
            raise LoadError(f"{self._name} is not imported, line {line}: {fault}.") from fault
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        return self._counts

    def _read(self) -> None:
        self._header()
        last_number = self._db.execute("SELECT coalesce(max(number), 0) FROM event").fetchone()[0]
        for batch in _batches(self._rows(last_number)):
            self._put(*batch)
        self._events.end()

    def _header(self) -> None:
        try:
            header = header_of(self._next() or b"")
            known = header.format == FORMAT
        except (ValueError, RecursionError):
            known = False
        if not known:
            raise FaultError("this is no file that `trackd export` wrote without --table")
        if header.version == version_1.VERSION:
            self._upgraded = version_1.upgraded
        elif header.version != VERSION:
            raise FaultError(
                f"it has version {header.version} of the format, this trackd reads versions {version_1.VERSION} to "
                f"{VERSION}: import it with the trackd that wrote it"
            )

    def _next(self) -> bytes | None:
        line = self._file.readline(MAX_LINE_BYTES)
        self._read_bytes += len(line)
        if self._line % 1_000 == 0:
            self._on_bytes(self._read_bytes)
        self._line += bool(line)
        if len(line) == MAX_LINE_BYTES:
            raise FaultError(f"it is longer than {MAX_LINE_BYTES} bytes")
        return line or None

    def _rows(self, last_number: int) -> Iterator[tuple[int, int, type[Record], Row]]:
        """Line, length, kind and row of each record."""
        section, before = 0, 0
        while line := self._next():
            record = self._decoded(line)
            if isinstance(record, End):
                self._end(record)
                return
            kind = type(record)
            if RECORDS.index(kind) < section:
                raise FaultError(f"a record of {kind.table()} stands after those of {RECORDS[section].table()}")
            section = RECORDS.index(kind)
            if isinstance(record, EventRecord):
                if record.number <= before:
                    raise FaultError(f"event {record.document.id!r} has number {record.number}, after {before}")
                before = record.number
            self._counts[kind.table()] += 1
            try:
                row = record.row(last_number)
            except ValueError as error:
                raise FaultError(str(error)) from error
            yield self._line, len(line), kind, row
        raise FaultError("the file ends here, without its last line: it was cut off")

    def _decoded(self, line: bytes) -> Line:
        try:
            record: Line = record_of(self._upgraded(line) if self._upgraded else line)
        except msgspec.ValidationError as error:
            raise FaultError(str(error)) from error
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n"):
                raise FaultError("the file ends within the line: it was cut off") from error
            raise FaultError(f"it is not sound JSON ({error})") from error
        return record

    def _end(self, end: End) -> None:
        if end.counts != self._counts:
            told, found = (
                ", ".join(f"{n} {table}" for table, n in each.items()) for each in (end.counts, self._counts)
            )
            raise FaultError(f"it says that there are {told} before it, and there are {found}: lines are missing")
        if self._next():
            raise FaultError("something follows the last line")

    def _put(self, lines: list[int], kind: type[Record], rows: list[Row]) -> None:
        if kind is ProfileRecord:
            self._refuse_erased(lines, rows)
        if kind is EventRecord:
            self._events.look_at(lines, rows)
        self._db.execute("SAVEPOINT batch")
        try:
            PUT[kind].run(self._db, rows)
        except sqlite3.IntegrityError:
            self._db.execute("ROLLBACK TO batch")
            self._put_one_by_one(lines, kind, rows)
        self._db.execute("RELEASE batch")

    def _put_one_by_one(self, lines: list[int], kind: type[Record], rows: list[Row]) -> None:
        """To learn which one cannot be stored."""
        for line, row in zip(lines, rows, strict=True):
            try:
                PUT[kind].run(self._db, [row])
            except sqlite3.IntegrityError as error:
                key = row[kind.columns.index("id")]
                raise FaultError(f"there is a row {key!r} in {kind.table()} already", line) from error

    def _refuse_erased(self, lines: list[int], rows: list[Row]) -> None:
        """What somebody asked to have erased does not come back with an older export."""
        hashes = {tombstone(row[0]): place for place, row in enumerate(rows)}
        erased = self._db.execute(TOMBSTONES, (json_text(list(hashes)),)).fetchall()
        for place in sorted(hashes[found] for (found,) in erased):
            raise FaultError(f"profile {rows[place][0]!r} was erased in this database", lines[place])


def _batches(
    rows: Iterator[tuple[int, int, type[Record], Row]],
) -> Iterator[tuple[list[int], type[Record], list[Row]]]:
    for kind, of_kind in groupby(rows, lambda row: row[2]):
        lines: list[int] = []
        batch: list[Row] = []
        size = 0
        for line, length, _, row in of_kind:
            lines.append(line)
            batch.append(row)
            size += length
            if len(batch) == BATCH_ROWS or size >= BATCH_BYTES:
                yield lines, kind, batch
                lines, batch, size = [], [], 0
        if batch:
            yield lines, kind, batch
