"""The lines of an export, read and checked in constant memory, and handed to the store that takes them.

Each line is checked when it is read; the transaction commits when the last line confirms the number of records. Events
keep their order and get numbers after those that the events of the store have or had.
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import BinaryIO, Protocol

import msgspec

from trackd.storage.errors import StoreError
from trackd.storage.transfer import version_1
from trackd.storage.transfer.import_checks import InvalidLineError
from trackd.storage.transfer.records import (
    FORMAT,
    RECORDS,
    VERSION,
    WITHOUT_NUMBERS,
    End,
    EventRecord,
    Header,
    Line,
    Record,
    Row,
    header_of,
    record_of,
)

MAX_LINE_BYTES = 64 * 2**20
BATCH_ROWS, BATCH_BYTES = 512, 8 * 2**20


class NotImportedError(StoreError):
    """An export cannot be imported. The message is a sentence with the line and its fault."""


class Target(Protocol):
    """A store that takes an import, in one transaction. Methods raise InvalidLineError and StoreError."""

    def begin(self) -> None: ...

    def last_number(self) -> int:
        """The highest number that an event or an erasure of the store has or had."""

    def put(self, lines: Sequence[int], kind: type[Record], rows: Sequence[Row]) -> None:
        """Check and insert rows of one kind; `lines` are the lines that they stand on."""

    def end(self, last_number: int) -> None:
        """Check what can be checked only now. No number up to `last_number` is given again."""

    def commit(self) -> None: ...

    def roll_back(self) -> None:
        """End the transaction, if there is one."""


class Import:
    """One import of a file. `name` is that of the file in errors."""

    def __init__(self, target: Target, file: BinaryIO, name: str, on_bytes: Callable[[int], None]) -> None:
        self._target = target
        self._file = file
        self._name = name
        self._on_bytes = on_bytes
        self._upgraded: Callable[[bytes], bytes] | None = None
        self._line = 0
        self._read_bytes = 0
        self._counts = {record.table(): 0 for record in RECORDS}

    def run(self) -> dict[str, int]:
        """The number of rows of each table. Raises NotImportedError and StoreError; then nothing is imported."""
        self._target.begin()
        try:
            self._read()
            self._target.commit()
        except InvalidLineError as fault:
            line = fault.line or max(self._line, 1)
            raise NotImportedError(f"{self._name} is not imported, line {line}: {fault}.") from fault
        finally:
            self._target.roll_back()
        return self._counts

    def _read(self) -> None:
        header = self._header()
        last_number = self._target.last_number()
        for batch in _batches(self._rows(last_number)):
            self._target.put(*batch)
        self._target.end(last_number + header.last_number)

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
