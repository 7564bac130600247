"""Import of an export into a database file, in one transaction and in constant memory.

Each line is checked when it is read; the transaction commits when the last line confirms the number of records. Events
keep their order and get numbers after those that the events of the file have or had.
"""

import contextlib
import os
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import apsw
import msgspec

from trackd.storage.errors import StoreError
from trackd.storage.files.atomic_file import atomic_path
from trackd.storage.files.private_file import create
from trackd.storage.files.system_errors import reason_and_remedy
from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.connection import DatabaseError, connect, database_errors
from trackd.storage.sqlite.database import create_tables, open_for_writing
from trackd.storage.sqlite.event_chain import LAST_NUMBER
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.log_renewal import copy_log_and_close, renew_log
from trackd.storage.sqlite.pii_index import put_pii_of_documents
from trackd.storage.sqlite.side_files import prepare, remove_side_files
from trackd.storage.transfer import version_1
from trackd.storage.transfer.import_checks import EventChecker, InvalidLineError, check_positions, refuse_erased
from trackd.storage.transfer.records import (
    FORMAT,
    RECORDS,
    VERSION,
    WITHOUT_NUMBERS,
    End,
    ErasedRecord,
    EventRecord,
    Header,
    Line,
    ProfileRecord,
    Record,
    Row,
    header_of,
    record_of,
)

DOC = ProfileRecord.columns.index("doc")
# A new file gets its name when it is complete: until then a kill or a power loss leaves a temporary file.
NEW_FILE = ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = MEMORY")
MAX_LINE_BYTES = 64 * 2**20
BATCH_ROWS, BATCH_BYTES = 512, 8 * 2**20
INSERTS = {
    record: BulkInsert(
        record.table(), record.columns, "ON CONFLICT (hash) DO NOTHING" if record is ErasedRecord else ""
    )
    for record in RECORDS
}
# The numbers that the exported events had are not used again here either. A file of trackd 0.1 does not name the last
# one, but a profile may still name its last event, though that is deleted.
USE_NUMBERS = """
UPDATE event_numbers SET used_up_to = max(used_up_to, ?, coalesce((SELECT max(last_event) FROM profile), 0),
    coalesce((SELECT max(number) FROM erased), 0))
"""


class NotImportedError(StoreError):
    """An export cannot be imported. The message is a sentence with the line and its fault."""


def import_export(path: Path, file: BinaryIO, name: str, on_bytes: Callable[[int], None]) -> dict[str, int]:
    """Import the lines of `Export.lines` into the database file at `path`; return the number of rows of each table.

    `name` is the file's name in errors. `on_bytes` is called now and then with the number of bytes that are read.
    Raises NotImportedError and DatabaseError; then the database is as before, and a file that did not exist is removed.
    """
    with DatabaseLock(path) as lock, _writing(path):
        if path.exists() and path.stat().st_size > 0:
            db = open_for_writing(path)
            lock.note_log("FULL")
            try:
                with database_errors(path):
                    renew_log(db, path)
                    return _Import(db, file, name, on_bytes).run()
            finally:
                copy_log_and_close(db, path, has_lock=True)
        prepare(path)
        with atomic_path(path) as made, database_errors(path):
            os.close(create(made))
            with contextlib.closing(connect(made, mode="rw")) as db:
                for setting in NEW_FILE:
                    db.execute(setting)
                create_tables(db, made)
                counts = _Import(db, file, name, on_bytes).run()
            remove_side_files(path)
        return counts


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatabaseError(f"{path} cannot be written {reason_and_remedy(error)}.") from error


class _Import:
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
        self._events = EventChecker(self._db)
        try:
            self._read()
            self._db.execute("COMMIT")
        except InvalidLineError as fault:
            line = fault.line or max(self._line, 1)
            raise NotImportedError(f"{self._name} is not imported, line {line}: {fault}.") from fault
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        return self._counts

    def _read(self) -> None:
        header = self._header()
        last_number = self._db.execute(LAST_NUMBER).get
        for batch in _batches(self._rows(last_number)):
            self._put(*batch)
        self._events.end()
        self._db.execute(USE_NUMBERS, (last_number + header.last_number,))
        check_positions(self._db)

    def _header(self) -> Header:
        line = self._next() or b""
        if line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise InvalidLineError("the file is UTF-16, as some shells redirect stdout: export with --output")
        try:
            header = header_of(line.removeprefix(BOM_UTF8))  # PowerShell writes one
            known = header.format == FORMAT
        except (ValueError, RecursionError):
            known = False
        if not known:
            raise InvalidLineError("this is not a file that `trackd export` wrote without --table")
        if header.version == version_1.VERSION:
            self._upgraded = version_1.upgraded
        elif header.version not in (WITHOUT_NUMBERS, VERSION):
            raise InvalidLineError(
                f"it has version {header.version} of the format, this trackd reads versions {version_1.VERSION} to "
                f"{VERSION}: import it with the trackd that wrote it"
            )
        return header

    def _next(self) -> bytes | None:
        try:
            line = self._file.readline(MAX_LINE_BYTES)
        except OSError as error:
            raise InvalidLineError(f"it cannot be read ({error.strerror})") from error
        self._read_bytes += len(line)
        if self._line % 1_000 == 0:
            self._on_bytes(self._read_bytes)
        self._line += bool(line)
        if len(line) == MAX_LINE_BYTES:
            raise InvalidLineError(f"it is longer than {MAX_LINE_BYTES} bytes")
        return line or None

    def _rows(self, last_number: int) -> Iterator[tuple[int, int, type[Record], Row]]:
        """Yield the line number, the length in bytes, the kind and the row of each record."""
        section, last_event = 0, 0
        while line := self._next():
            record = self._decoded(line)
            if isinstance(record, End):
                self._end(record)
                return
            kind = type(record)
            if RECORDS.index(kind) < section:
                raise InvalidLineError(f"a record of {kind.table()} stands after those of {RECORDS[section].table()}")
            section = RECORDS.index(kind)
            if isinstance(record, EventRecord):
                if record.number <= last_event:
                    raise InvalidLineError(
                        f"event {record.document.id!r} has number {record.number}, after {last_event}"
                    )
                last_event = record.number
            self._counts[kind.table()] += 1
            try:
                row = record.row(last_number)
            except ValueError as error:
                raise InvalidLineError(str(error)) from error
            yield self._line, len(line), kind, row
        raise InvalidLineError("the file ends here, without its last line: it was cut off")

    def _decoded(self, line: bytes) -> Line:
        try:
            record: Line = record_of(self._upgraded(line) if self._upgraded else line)
        except msgspec.ValidationError as error:
            raise InvalidLineError(str(error)) from error
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n"):
                raise InvalidLineError("the file ends within the line: it was cut off") from error
            raise InvalidLineError(f"it is not sound JSON ({error})") from error
        return record

    def _end(self, end: End) -> None:
        if end.counts != self._counts:
            expected, found = (
                ", ".join(f"{n} {table}" for table, n in each.items()) for each in (end.counts, self._counts)
            )
            raise InvalidLineError(f"it counts {expected} before it, and {found} were read: lines are missing")
        if self._next():
            raise InvalidLineError("something follows the last line")

    def _put(self, lines: list[int], kind: type[Record], rows: list[Row]) -> None:
        if kind is ProfileRecord:
            refuse_erased(self._db, lines, rows)
        if kind is EventRecord:
            self._events.check(lines, rows)
        self._db.execute("SAVEPOINT batch")
        try:
            INSERTS[kind].run(self._db, rows)
        except apsw.ConstraintError:
            self._db.execute("ROLLBACK TO batch")
            self._put_one_by_one(lines, kind, rows)
        self._db.execute("RELEASE batch")
        if kind is ProfileRecord:
            put_pii_of_documents(self._db, [row[DOC] for row in rows])

    def _put_one_by_one(self, lines: list[int], kind: type[Record], rows: list[Row]) -> None:
        """Find the row that cannot be stored."""
        for line, row in zip(lines, rows, strict=True):
            try:
                INSERTS[kind].run(self._db, [row])
            except apsw.ConstraintError as error:
                key = row[kind.columns.index("hash" if kind is ErasedRecord else "id")]
                raise InvalidLineError(f"the table {kind.table()} has a row {key!r} already", line) from error


def _batches(
    rows: Iterator[tuple[int, int, type[Record], Row]],
) -> Iterator[tuple[list[int], type[Record], list[Row]]]:
    """Group consecutive rows of one kind, each group bounded in rows and bytes; yield lines, kind and rows."""
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
